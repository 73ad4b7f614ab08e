# `make demo` and `make test` do all set-up on a fresh machine with Python 3.11+.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check dev exhaustive equality schedules models clean

demo: $(READY)
	$(BIN)/reperform demo

# Two workers on few cores: threads that wait by spinning would slow each other down. (Alone on a machine,
# spinning is several times faster; no result depends on it.)
test: $(READY)
	$(BIN)/reperform selftest  # compiles the loops, once for all processes
	OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -n 2 --dist worksteal --ignore=tests/real_models

check: $(READY)
	mkdir -p .cache/typing && ln -sfn ../.. .cache/typing/reperform
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

dev: $(READY)

# Long checks, whose results are recorded: docs/exhaustive.md, docs/equality.md, docs/threat-model.md, docs/models.md.
# Every float32 input of every function of one variable, by every implementation; goes on where it was interrupted.
exhaustive: $(READY)
	$(BIN)/python -m reperform.executor.arithmetic.exhaustive

# Every output of every pinned model, under every setting of the machine. REPERFORM_ARM64 names a Python for arm64.
equality: $(READY)
	$(BIN)/python -m reperform.tests.equality

# Random schedules of cases with cheats below the quorum.
schedules: $(READY)
	REPERFORM_SCHEDULES=10000 $(BIN)/pytest -n 2 tests/protocol/test_simulation.py

# Real models from their wheels (300 MB): pinned, compared with native torch, and their bits under several settings.
models: $(READY)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -n 2 tests/real_models

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .cache build demo *.egg-info
