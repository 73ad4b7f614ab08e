"""docs/equality.md, written from what was compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reperform.tests.equality.answer import Answer
from reperform.tests.equality.compare import Comparison
from reperform.tests.equality.settings import Setting

_HEAD = """\
# The same bits, compared

Written by `make equality`, from what it found; edit `tests/equality/document.py` instead.

Pinned models were given the same inputs in separate processes, each under another setting of the machine: instruction
sets, modes of the matrix libraries, threads, implementations of [portable-1](arithmetic.md), other processors. In each
process the inputs ran in batches of several sizes, alone, and padded further than they needed. An output row is the
bytes of all output tensors for one input.

**{rows} rows and the roots of {traces} traces were compared, under {settings} settings; {found}.**

## Models

A model's digest is over its rows and traces under the first setting, which are the ones under every setting.
"""

_NATIVE = """
Native torch ran beside, in the same processes on the same batches, from the same weights:

| model | distinct digests | rows that differ from the first setting's |
|---|---|---|
"""

_REPEAT = """
## How to repeat it

```
make equality
```

takes about an hour on two cores, and goes on where it was interrupted: answers are kept under `.cache/equality`, by a
digest of the sources, the libraries' versions and the processor. If anything differs it names the row, the setting and
the model, and exits with 1. `REPERFORM_ARM64=PROGRAM`, where `PROGRAM FILE.py` runs Python and torch as on arm64, adds
the settings of that processor. `make test` compares fewer rows under fewer settings.

The scorer and the reader of digits are trained by native torch when they are pinned, so another machine may train and
pin others: the model id says which digests can be compared. The weights of `gpt`, a stack of GPT-2's layers that nobody
trained, are made from integers. Those of the others are published ones.
"""


def render(comparisons: Sequence[Comparison], answers: Mapping[Setting, Answer], missing: Mapping[Setting, str]) -> str:
    """The page: one answer for each setting that ran says what served there."""
    rows, traces = sum(c.rows for c in comparisons), sum(c.traces for c in comparisons)
    differing = sum(len(c.differences) for c in comparisons)
    found = "none differed" if not differing else f"{differing:,} differed"
    lines = [
        _HEAD.format(rows=f"{rows:,}", traces=f"{traces:,}", settings=len(answers), found=found),
        "| model | model id | inputs | rows compared | traces | SHA-256 |",
        "|---|---|---|---|---|---|",
        *(
            f"| {c.model} | `{c.model_id[:16]}` | {c.inputs:,} | {c.rows:,} | {c.traces:,} | `{c.digest}` |"
            for c in comparisons
        ),
        _NATIVE.rstrip("\n"),
        *(
            f"| {c.model} | {c.native_digests:,} | {c.native_rows_differing:,} of {c.rows:,} |"
            for c in comparisons
            if c.native_digests
        ),
        "",
        "## Settings",
        "",
        _machines(answers),
        "",
        "| setting | kernels | product | compiled for | torch's instructions | threads | device |",
        "|---|---|---|---|---|---|---|",
        *(f"| `{setting}` | {_served(a)} |" for setting, a in answers.items()),
    ]
    if missing:
        lines += ["", "Not run here:", "", *(f"- `{setting}`: {why}" for setting, why in missing.items())]
    return "\n".join([*lines, _REPEAT])


def _served(answer: Answer) -> str:
    keys = ("kernels", "product", "compiled for", "capability", "threads", "device")
    return " | ".join(str(answer.served.get(key, "")) for key in keys)


def _machines(answers: Mapping[Setting, Answer]) -> str:
    keys = ("processor", "cores", "system", "python", "torch")
    found = dict.fromkeys(tuple(a.served[key] for key in keys) for a in answers.values())
    return "\n".join(f"- {p}, {c} cores, {s}, Python {y}, torch {t}" for p, c, s, y, t in found)
