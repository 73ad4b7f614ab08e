# `make demo` and `make test` do all set-up on a fresh machine with Python 3.11+.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check dev exhaustive schedules clean

demo: $(READY)
	$(BIN)/reperform demo

# Two workers on few cores: threads that wait by spinning would slow each other down. (Alone on a machine,
# spinning is several times faster; no result depends on it.)
test: $(READY)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest -n 2 --dist worksteal

check: $(READY)
	mkdir -p .cache/typing && ln -sfn ../.. .cache/typing/reperform
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

dev: $(READY)

# Long checks; docs/arithmetic.md and docs/threat-model.md say what they showed.
# Every float32 input of every function: about an hour on one core; goes on where it was interrupted.
exhaustive: $(READY)
	$(BIN)/python -m reperform.executor.arithmetic.exhaustive \
	    exp log sin cos tanh erf sigmoid silu gelu gelu_tanh softplus

# Random schedules of cases with cheats below the quorum.
schedules: $(READY)
	REPERFORM_SCHEDULES=10000 $(BIN)/pytest -n 2 tests/protocol/test_simulation.py

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .cache build demo *.egg-info
