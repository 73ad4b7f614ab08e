"""The README's first dispute, as it stands there, typed into a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from reperform.tests.cli.run import ROOT


def test_the_first_dispute_works_as_it_is_written(tmp_path: Path) -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    roster, _ = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "rosters.md").read_text(), re.DOTALL)
    (tmp_path / "roster.toml").write_text(roster)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "wheels").symlink_to(ROOT / ".cache" / "wheels")
    here = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{here}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    script = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n" + block
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        command = ["bash", "-e", "-c", script]
        shell = subprocess.run(command, cwd=tmp_path, env=env, stdout=out, stderr=err, timeout=240, check=False)
    assert shell.returncode in (0, 143), (tmp_path / "err").read_text()[-2000:]
    said = (tmp_path / "out").read_text()
    # How many is not asserted: training is native torch, whose bits are not portable.
    assert re.search(r"^1989 decisions: \d+ approve, \d+ decline$", said, re.MULTILINE)
    assert said.count("UPHELD: ") == 2  # the dispute's account, and the verifier's
    assert (tmp_path / "attestation" / "attestation.dsse.json").exists()
