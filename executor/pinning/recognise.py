"""What `reperform pin` is given, by how it is named, and which source takes it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from ...evidence.values import Input, Record
from .candidate import Candidate
from .errors import PinError
from .sources import estimator, huggingface, lightgbm, xgboost
from .tabular.notes import Note
from .unpickle import candidate as pickled


class Kind(StrEnum):
    """What a source can be."""

    OBJECT = "MODULE:FUNCTION"
    HUGGING_FACE = "a Hugging Face folder"
    LIGHTGBM = "a LightGBM model (.txt)"
    XGBOOST = "an XGBoost model (.json, .ubj)"
    PICKLE = "a pickle (.joblib, .pickle, .pkl)"


_BY_SUFFIX = {
    ".txt": Kind.LIGHTGBM,
    ".json": Kind.XGBOOST,
    ".ubj": Kind.XGBOOST,
    ".joblib": Kind.PICKLE,
    ".pickle": Kind.PICKLE,
    ".pkl": Kind.PICKLE,
}


@dataclass(frozen=True, slots=True)
class Said:
    """What people say about a source that does not stand in it.

    name: of the pinned model; the source's own if None. examples: inputs to compare on. notes: by column. labels: of
    the classes, in the source's order.
    """

    name: str | None = None
    examples: Sequence[Input] = ()
    notes: Mapping[str, Note] = field(default_factory=dict)
    labels: Sequence[str] = ()


def kind_of(source: str) -> Kind:
    """By its name alone, without opening it. Raises PinError for what no source takes."""
    path = Path(source)
    if path.is_dir():
        return Kind.HUGGING_FACE
    if path.suffix in _BY_SUFFIX:
        return _BY_SUFFIX[path.suffix]
    if path.suffix in (".pt", ".pth", ".bin", ".safetensors"):
        raise PinError(
            f"{source} holds weights without the model that they are for",
            advice="give MODULE:FUNCTION, where the function loads them into a torch module and returns a Candidate",
        )
    if ":" in source and not path.exists():
        return Kind.OBJECT
    raise PinError(f"{source} is none of: {', '.join(Kind)}", advice="docs/models.md shows one example of each")


def candidate(source: str, said: Said, *, unpickle: bool = False) -> Candidate:
    """What is to be pinned. unpickle: whether a pickle may be opened, which runs what stands in it (unpickle.py).

    Raises PinError, or another ReperformError, for what cannot be pinned.
    """
    kind, path = kind_of(source), Path(source)
    if kind is Kind.OBJECT:
        return from_object(_call(source), said)
    if not said.examples:
        raise PinError("pinning needs an example input", advice="give a file of inputs with --examples")
    name = said.name or path.stem
    match kind:
        case Kind.LIGHTGBM:
            return lightgbm.from_dump(path, said.examples, name=name, notes=said.notes, labels=said.labels)
        case Kind.XGBOOST:
            return xgboost.from_dump(path, said.examples, name=name, notes=said.notes, labels=said.labels)
        case Kind.HUGGING_FACE:
            return huggingface.from_directory(path, said.examples, name=said.name)
    return pickled(path, said, allowed=unpickle)


def from_object(found: Any, said: Said) -> Candidate:
    """A Python object that a function returned. Raises PinError."""
    if isinstance(found, Candidate):
        return replace(found, name=said.name or found.name, examples=said.examples or found.examples)
    # Whoever has an estimator has imported its library.
    library: Any = sys.modules.get("sklearn.base")
    if library is not None and isinstance(found, library.BaseEstimator):
        records = [one for one in said.examples if isinstance(one, Record)]
        if not records or len(records) != len(said.examples):
            raise PinError("an estimator takes records", advice="give rows, .csv or .jsonl, with --examples")
        name = said.name or type(found).__name__
        columns = tuple(said.notes)  # in the library's order, for an estimator that was fitted without names
        return estimator.from_estimator(
            found, records, name=name, notes=said.notes, columns=columns, labels=said.labels
        )
    raise PinError(
        f"a {type(found).__module__}.{type(found).__qualname__} is nothing that can be pinned",
        advice="return a Candidate (reperform.executor.pinning.candidate) or a fitted scikit-learn estimator",
    )


def _call(source: str) -> Any:
    module, _, function = source.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise PinError(f"{source} is not an importable MODULE:FUNCTION: {error}") from error
    return found()
