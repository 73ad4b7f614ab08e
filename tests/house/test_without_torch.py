"""A stranger checks evidence with the base install: a wheel, cryptography, msgpack, typer and rich. No torch."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from reperform.consensus.conclusion import conclude, pack
from reperform.evidence.documents import to_bytes
from reperform.evidence.values import Output
from reperform.tests.house.layout import OUTSIDE, PACKAGE, ROOT, packages_declared
from reperform.tests.world import MANIFEST, World, model

HEAVY: Final = (
    "torch", "numpy", "safetensors", "tokenizers", "ray", "transformers",
    "sqlalchemy", "alembic", "psycopg", "fastapi", "uvicorn", "httpx", "prometheus_client", "sqlite3",
)  # fmt: skip
OLDEST_SETUPTOOLS: Final = 77  # pyproject.toml, build-system

IN_PROCESS: Final = """
import sys
from pathlib import Path
from reperform.evidence.roots import RootKeys
from reperform.evidence.verify import verify
verified = verify(Path(sys.argv[1]).read_bytes(), RootKeys.from_json(Path(sys.argv[2]).read_text()))
print(verified.verdict, *sorted(set(sys.argv[3:]) & sys.modules.keys()))
"""


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with root keys and the packs of an upheld and of a refuted case."""
    folder = tmp_path_factory.mktemp("evidence")
    for name, answer in (("upheld", model), ("refuted", _edited)):
        world = World(folder / name)
        proceeding, filed, filer = world.run(world.decision(answer), world.nodes())
        own = filer.answer(proceeding)
        (folder / f"{name}.pack").write_bytes(to_bytes(world.pack(proceeding, filed, own)))
        (folder / f"{name}.json").write_text(world.roots.to_json())
        undisclosed = pack(
            proceeding,
            conclude(proceeding),
            rosters=[world.roster_envelope],
            manifest=MANIFEST,
            disclosure=None,
        )
        (folder / f"{name}-undisclosed.pack").write_bytes(to_bytes(undisclosed))
    return folder


def _edited(committed: bytes) -> Output:
    return model(b"another input" + committed)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=_left_out)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        folder,
        folder / "source",
    ]
    if _setuptools() >= OLDEST_SETUPTOOLS:
        command.insert(4, "--no-build-isolation")  # otherwise pip fetches setuptools
    subprocess.run(command, check=True)
    (built,) = folder.glob("*.whl")
    return built


def _left_out(folder: str, names: list[str]) -> set[str]:
    outside = OUTSIDE if Path(folder) == ROOT else ()
    return {name for name in names if name.startswith((".", "__pycache__")) or name.endswith(".egg-info")} | {*outside}


def _setuptools() -> int:
    try:
        return int(importlib.metadata.version("setuptools").partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return 0


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel and its base dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("base")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in _closure(PACKAGE, set()):
        for path in importlib.metadata.distribution(name).files or ():
            source = Path(str(path.locate())).parents[len(path.parts) - 1] / path.parts[0]
            target = site / path.parts[0]
            if path.parts[0] not in ("..", "__pycache__") and not target.exists():
                target.symlink_to(source)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return folder / "bin"


def _closure(name: str, seen: set[str]) -> Iterator[str]:
    """The distributions that an install without extras brings."""
    for text in importlib.metadata.requires(name) or ():
        requirement = Requirement(text)
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if needed and requirement.name not in seen:
            seen.add(requirement.name)
            yield requirement.name
            yield from _closure(requirement.name, seen)


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a command that sees nothing of this environment."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, env=variables, cwd="/"
    )


def reperform(base: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command, as its entry point does."""
    return run(base / "python", "-c", "from reperform.cli.main import main; main()", *arguments)


def test_verification_imports_nothing_heavy_even_where_it_is_installed(evidence: Path) -> None:
    done = run(sys.executable, "-c", IN_PROCESS, evidence / "upheld.pack", evidence / "upheld.json", *HEAVY)
    assert (done.stdout, done.stderr) == ("UPHELD\n", "")


def test_issuing_receipts_and_keeping_a_docket_import_nothing_that_computes() -> None:
    code = (
        "import sys, reperform.executor.service, reperform.consensus.keeper, reperform.consensus.filer\n"
        "print(*sorted(set(sys.argv[1:]) & sys.modules.keys()))"
    )
    done = run(sys.executable, "-c", code, *HEAVY[:-1])  # the executor's journal is SQLite
    assert (done.stdout, done.stderr) == ("\n", "")


def test_heavy_imports_would_be_seen(evidence: Path) -> None:
    code = f"import sqlite3\n{IN_PROCESS}"
    done = run(sys.executable, "-c", code, evidence / "upheld.pack", evidence / "upheld.json", *HEAVY)
    assert done.stdout == "UPHELD sqlite3\n"


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [Path(name) for name in archive.namelist()]
    modules = [name for name in names if not name.parts[0].endswith(".dist-info")]
    assert {".".join(name.parent.parts) for name in modules if name.suffix == ".py"} == set(packages_declared())
    assert Path(PACKAGE, "py.typed") in modules
    assert Path(PACKAGE, "executor", "selftest.json") in modules
    assert not {name.parts[1] for name in modules} & OUTSIDE


def test_the_base_environment_has_no_torch(base: Path) -> None:
    for name in HEAVY[:-1]:  # sqlite3 belongs to Python
        assert run(base / "python", "-c", f"import {name}").returncode == 1
    assert run(base / "python", "-c", "import reperform.evidence.verify").returncode == 0


@pytest.mark.parametrize(("verdict", "status"), [("upheld", 0), ("refuted", 1)])
@pytest.mark.parametrize("disclosed", ["", "-undisclosed"])
def test_the_command_verifies_without_torch(
    base: Path, evidence: Path, verdict: str, status: int, disclosed: str
) -> None:
    pack_file, roots = evidence / f"{verdict}{disclosed}.pack", evidence / f"{verdict}.json"
    done = reperform(base, "verify", pack_file, "--roots", roots)
    assert (done.returncode, done.stderr) == (status, "")
    assert verdict.upper() in done.stdout
    as_json = reperform(base, "verify", pack_file, "--roots", roots, "--json")
    assert as_json.returncode == status
    assert f'"verdict": "{verdict.upper()}"' in as_json.stdout


def test_the_command_refuses_what_does_not_verify(base: Path, evidence: Path, tmp_path: Path) -> None:
    data = (evidence / "upheld.pack").read_bytes()
    altered = tmp_path / "altered.pack"
    altered.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    for pack_file, roots in (
        (altered, evidence / "upheld.json"),
        (evidence / "upheld.pack", evidence / "refuted.json"),  # somebody else's root keys
        (tmp_path / "missing.pack", evidence / "upheld.json"),
        (evidence / "upheld.pack", altered),
    ):
        done = reperform(base, "verify", pack_file, "--roots", roots)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1


def test_a_command_that_needs_torch_says_what_to_install(base: Path) -> None:
    done = reperform(base, "selftest")
    assert done.returncode == 2
    assert "install reperform with its extra [executor]" in done.stderr


def test_a_command_that_needs_the_network_says_what_to_install(base: Path, evidence: Path) -> None:
    options = ("--docket", "https://docket.example", "--roots", evidence / "upheld.json")
    done = reperform(base, "docket", "status", *options)
    assert done.returncode == 2
    assert "install reperform with its extra [client]" in done.stderr
    trust = ("--key", "docket.key", "--roster", "roster.dsse", "--roots", evidence / "upheld.json")
    done = reperform(base, "docket", "serve", *trust)
    assert done.returncode == 2
    assert "install reperform with its extra [server]" in done.stderr
