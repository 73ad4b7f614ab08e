"""Compares the bits of pinned models under every setting of the machine, and writes docs/equality.md.

    python -m reperform.tests.equality [--few] [--arm64 PROGRAM] [--jobs N] [--model NAME]

Answers are kept, and an interrupted run goes on where it stopped. The exit status is 1 if anything differs or fails.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reperform.evidence.errors import ReperformError
from reperform.examples.wheels import CACHE
from reperform.tests.equality.answer import Answer
from reperform.tests.equality.compare import Comparison, compare, differences
from reperform.tests.equality.corpus import MODELS, Share
from reperform.tests.equality.document import render
from reperform.tests.equality.processes import Processes
from reperform.tests.equality.settings import SETTINGS, Setting
from reperform.tests.equality.state import ROOT, State
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found. `failures` are settings without an answer, which is a failure, not a pass."""

    comparisons: tuple[Comparison, ...]
    answers: Mapping[Setting, Mapping[str, Answer]]
    missing: Mapping[Setting, str]
    failures: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Something was compared, and nothing differed or failed."""
        return bool(self.comparisons) and not self.failures and not any(c.differences for c in self.comparisons)


def equality(
    settings: Sequence[Setting], models: Sequence[str], processes: Processes, *, few: bool, jobs: int, console: Console
) -> Outcome:
    """Run every setting that can be tried here, and compare as answers come in."""
    missing = {setting: why for setting in settings if (why := processes.missing(setting))}
    tried = [setting for setting in settings if setting not in missing]
    answers: dict[Setting, dict[str, Answer]] = {}
    failures: list[str] = []
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(jobs) as pool:
        task = progress.add_task("", total=len(tried) * len(models))

        def run(setting: Setting) -> tuple[dict[str, Answer], str | None]:
            found: dict[str, Answer] = {}
            try:
                for model, answer in processes.answers(setting, models, Share.FEW if few else setting.share):
                    found[model] = answer
                    progress.update(task, advance=1, description=f"{setting}: {model}")
            except ReperformError as error:
                return found, str(error)
            return found, None

        tell = partial(progress.console.print, style="red", markup=False, highlight=False, soft_wrap=True)
        for setting, (found, failure) in zip(tried, pool.map(run, tried), strict=True):
            answers[setting] = found
            if failure:
                failures.append(failure)
                tell(f"FAILED {failure}")
            for model, answer in found.items():
                first = next(a[model] for a in answers.values() if model in a)
                if difference := next(differences(model, first, str(setting), answer), None):
                    tell(f"DIFFERENT {difference}")
    comparisons = []
    for model in models:
        of_model = {str(setting): found[model] for setting, found in answers.items() if model in found}
        if of_model:
            comparisons.append(compare(model, of_model))
    return Outcome(tuple(comparisons), answers, missing, tuple(failures))


def main(arguments: Sequence[str]) -> int:
    """Compare, tell, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", action="store_true", help="few inputs under every setting, and no page")
    parser.add_argument("--model", action="append", choices=MODELS, help="only this one, and no page")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default 2)")
    parser.add_argument("--arm64", type=Path, default=os.environ.get("REPERFORM_ARM64") or None,
                        help="a program that runs Python as on arm64 (default $REPERFORM_ARM64)")  # fmt: skip
    parser.add_argument("--state", type=Path, default=ROOT / ".cache" / "equality")
    parser.add_argument("--wheels", type=Path, default=ROOT / CACHE)
    options = parser.parse_args(arguments)
    console = Console()
    models = options.model or list(MODELS)
    state = State(options.state)
    for name in models:
        with console.status(f"pinning {name}"):
            state.pin(MODELS[name], options.wheels)
    outcome = equality(
        SETTINGS,
        models,
        Processes(state, options.wheels, options.arm64),
        few=options.few,
        jobs=options.jobs,
        console=console,
    )
    tell = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for c in outcome.comparisons:
        counted = f"{c.rows:,} rows and {c.traces} traces compared, {len(c.differences):,} different"
        tell(f"{c.model}: {counted}; native torch: {c.native_digests} digests; digest {c.digest}")
    for setting, why in outcome.missing.items():
        tell(f"not run here: {setting} ({why})")
    if not outcome.equal:
        first = next((d for c in outcome.comparisons for d in c.differences), None)
        tell(f"NOT EQUAL: {first or ''.join(outcome.failures[:1]) or 'nothing was compared'}", style="bold red")
        return 1
    if not options.few and not options.model:
        served = {setting: next(iter(found.values())) for setting, found in outcome.answers.items()}
        (ROOT / "docs" / "equality.md").write_text(
            render(outcome.comparisons, served, outcome.missing), encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
