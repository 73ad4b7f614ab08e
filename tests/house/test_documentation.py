"""The documentation says what the code says."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import reperform.evidence
from reperform.evidence.faults import Fault
from reperform.evidence.verify import verify

ROOT = Path(__file__).parents[2]


def test_docs_documents_lists_every_kind_with_its_fields() -> None:
    written = set()
    for module in pkgutil.walk_packages(reperform.evidence.__path__, "reperform.evidence."):
        for _, cls in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if dataclasses.is_dataclass(cls) and hasattr(cls, "KIND"):
                fields = " ".join(f"`{field.name}`" for field in dataclasses.fields(cls))
                written.add(f"| `{cls.KIND}` | {fields} | {cls.__module__.rpartition('.')[2]} |")
    kinds = (ROOT / "docs" / "documents.md").read_text().partition("## Kinds")[2].partition("## ")[0]
    assert {line for line in kinds.splitlines() if line.startswith("| `")} == written


def test_the_steps_of_verify_are_those_of_the_documentation() -> None:
    steps = re.findall(r"^ *(\d+)\. ", inspect.getdoc(verify) or "", re.MULTILINE)
    section = (ROOT / "docs" / "documents.md").read_text().partition("## Verification")[2].partition("\n## ")[0]
    assert re.findall(r"^(\d+)\. ", section, re.MULTILINE) == steps
    assert len(steps) == len(set(re.findall(r"with _step\((\d+),", inspect.getsource(verify))))


def test_the_faults_are_those_of_the_documentation() -> None:
    section = (ROOT / "docs" / "documents.md").read_text().partition("## Evidence of misbehaviour")[2]
    cells = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)} == set(Fault)


def test_every_link_in_the_documentation_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert len(pages) > 8
    assert broken == []
