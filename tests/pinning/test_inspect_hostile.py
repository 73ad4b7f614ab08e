"""What `reperform pin --inspect` shows of a stranger's model does nothing to the terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.inputs import CategoryColumn, NumberColumn, RecordInput
from reperform.evidence.manifest import Manifest
from reperform.evidence.rules import Threshold
from reperform.executor.model import MANIFEST
from reperform.tests.cli.run import reperform
from reperform.tests.engine.small_models import models, write

HOSTILE = "\x1b[2J\x1b]0;title\x07\r\n\u202e[bold]model id 00[/bold]"


def test_names_with_terminal_codes_are_shown_as_text(tmp_path: Path) -> None:
    files = models()["record"]
    manifest = from_bytes(Manifest, files[MANIFEST])
    columns = (
        NumberColumn(f"a{HOSTILE}", HOSTILE, unit=HOSTILE),
        CategoryColumn(f"b{HOSTILE}", HOSTILE, (HOSTILE, "other", "third")),
    )
    hostile = replace(
        manifest,
        name=f"name{HOSTILE}",
        input=RecordInput(columns),
        rule=Threshold("0.5", HOSTILE, "no"),
        outputs=(f"y{HOSTILE}",),
    )
    folder = write({**files, MANIFEST: to_bytes(hostile)}, tmp_path / "model")
    done = reperform("pin", "--inspect", folder, at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "model id 00" in done.stdout
    shown = done.stdout.replace("\n", "")
    assert shown.isprintable()
    assert not any(line.startswith(("model id 00", "[bold]")) for line in done.stdout.splitlines())
