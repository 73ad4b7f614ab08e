"""The house as data: which module imports what, read from the sources without running them."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = "reperform"
# Folders of the repository that are no part of the package.
OUTSIDE: Final = frozenset({"tests", "bench", "docs", "build", "dist", "demo"})


@dataclass(frozen=True)
class Import:
    """One import, wherever in the module it stands: `target` is the dotted name after resolution."""

    path: Path
    line: int
    target: str
    relative: bool

    @property
    def top(self) -> str:
        """The distribution, or `reperform`."""
        return self.target.partition(".")[0]

    @property
    def room(self) -> str:
        """The folder of the house that is imported; empty for the root package."""
        return [*self.target.split("."), ""][1]

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.target}"


def modules(root: Path = ROOT) -> list[Path]:
    """Every module of the package, relative to the root."""
    found = [path.relative_to(root) for path in root.rglob("*.py")]
    return sorted(path for path in found if not path.parts[0].startswith(".") and path.parts[0] not in OUTSIDE)


def room_of(path: Path) -> str:
    """The folder of the house that a module stands in; empty for the root."""
    return path.parts[0] if len(path.parts) > 1 else ""


def imports(root: Path = ROOT) -> list[Import]:
    """Every import of every module of the package."""
    return [found for path in modules(root) for found in _imports(root, path)]


def _imports(root: Path, path: Path) -> Iterator[Import]:
    tree = ast.parse((root / path).read_text(), filename=str(path))
    package = [PACKAGE, *path.parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name, False)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = [*base, *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                yield Import(path, node.lineno, ".".join([*name, alias.name]), node.level > 0)


def packages_on_disk(root: Path = ROOT) -> set[str]:
    """The packages that the folders make."""
    return {".".join([PACKAGE, *path.parent.parts]) for path in modules(root) if path.name == "__init__.py"}


def packages_declared(root: Path = ROOT) -> list[str]:
    """The packages that pyproject.toml lists."""
    with (root / "pyproject.toml").open("rb") as file:
        listed: list[str] = tomllib.load(file)["tool"]["setuptools"]["packages"]
    return listed
