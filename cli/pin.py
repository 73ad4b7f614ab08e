"""`reperform pin`: turn a model into data."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..evidence.digest import Digest
from ..evidence.encoding import MalformedError
from .output import AsJson, progress, tell


def pin(
    source: Annotated[str | None, typer.Argument(help="MODULE:FUNCTION; called with the new folder, it pins.")] = None,
    out: Annotated[Path | None, typer.Option(help="The new folder of the pinned model.")] = None,
    inspect: Annotated[
        Path | None, typer.Option("--inspect", metavar="FOLDER", help="Check and show a pinned model instead.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pin a model: a graph of named operations, weights and preprocessing as data, under one model id.

    Example: reperform pin reperform.examples.mortgage.train:train_and_pin --out models/mortgage

    Example: reperform pin --inspect models/mortgage

    The function trains or loads a torch module and calls reperform.executor.pin.pin. It runs with your
    rights: pin only code that you trust. Whoever replays needs none of it, nor does --inspect run any.
    """
    if inspect is not None and source is None and out is None:
        _show(inspect, as_json)
    elif source is not None and out is not None and inspect is None:
        _pin(source, out, as_json)
    else:
        raise MalformedError(
            "what is to be done is not clear",
            advice="give MODULE:FUNCTION and --out FOLDER to pin a model, or --inspect FOLDER to see one",
        )


def _show(folder: Path, as_json: bool) -> None:
    from ..executor.model import PinnedModel
    from .pin_inspect import as_data, as_lines

    with progress.status(f"checking {folder}"):
        model = PinnedModel.load(folder)
    tell(as_json, as_data(model), *as_lines(model))


def _pin(source: str, out: Path, as_json: bool) -> None:
    from ..executor.model import PinnedModel

    module_name, _, function_name = source.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise MalformedError(f"{source} is not an importable MODULE:FUNCTION: {error}") from error
    with progress.status(f"pinning {source}"):
        model_id = function(out)
    if not isinstance(model_id, Digest):
        raise MalformedError(f"{source} did not return a model id", advice="it must return what pin() returns")
    manifest = PinnedModel.load(out).manifest
    tell(
        as_json,
        {"model": str(model_id), "name": manifest.name, "tensors": len(manifest.tensors), "directory": str(out)},
        f"pinned {manifest.name!r} in {out}: {len(manifest.tensors)} tensors, {manifest.execution_class}",
        f"model id {model_id}",
    )
