"""`reperform pin`: turn a model into data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..evidence.encoding import MalformedError
from .output import AsJson, progress, tell

if TYPE_CHECKING:
    from ..executor.pinning.recognise import Said

_HELP: Final = "give SOURCE and --out FOLDER to pin a model, or --inspect FOLDER to see one"


def pin(
    source: Annotated[
        str | None, typer.Argument(help="MODULE:FUNCTION, or a file or folder of a library (docs/models.md).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The new folder of the pinned model.")] = None,
    examples: Annotated[
        Path | None, typer.Option(help="Inputs on which the pinned model is compared with the original.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the pinned model is called.")] = None,
    columns: Annotated[
        Path | None, typer.Option(help="JSON: what columns mean, their units and categories (docs/models.md).")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="What classes are called, in the model's order: decline,approve.")
    ] = None,
    unpickle: Annotated[
        bool,
        typer.Option(
            "--unpickle",
            help="Open a pickle. It RUNS CODE from the file, in a process without network that can write nothing but "
            "can read your files: only for files whose origin you trust.",
        ),
    ] = False,
    signature: Annotated[
        Path | None, typer.Option(help="An OpenSSF Model Signing signature over SOURCE, a file or a folder.")
    ] = None,
    signature_key: Annotated[Path | None, typer.Option(help="The public key that it must be by, PEM.")] = None,
    inspect: Annotated[
        Path | None, typer.Option("--inspect", metavar="FOLDER", help="Check and show a pinned model instead.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pin a model: a graph of named operations, weights and preprocessing as data, under one model id.

    Example: reperform pin reperform.examples.mortgage.train:scorer --out models/mortgage

    Example: reperform pin --inspect models/mortgage

    Example: reperform pin trees.txt --out model --examples applications.csv --labels decline,approve

    A function returns a Candidate (reperform.executor.pinning.candidate) or a fitted estimator of scikit-learn. It runs
    with your rights: pin only code that you trust. Whoever replays needs none of it, nor does --inspect run any.
    """
    if inspect is not None and source is None and out is None:
        _show(inspect, as_json)
    elif source is not None and out is not None and inspect is None:
        from ..executor.pinning.recognise import Said
        from .inputs import read_inputs
        from .notes import read_notes

        said = Said(
            name,
            read_inputs(examples) if examples else (),
            read_notes(columns) if columns else {},
            labels.split(",") if labels else (),
        )
        if (signature is None) is not (signature_key is None):
            raise MalformedError(
                "a signature needs a key to check it by", advice="give --signature and --signature-key"
            )
        signed = (signature, signature_key) if signature and signature_key else None
        _pin(source, said, unpickle, signed, out, as_json)
    else:
        raise MalformedError("what is to be done is not clear", advice=_HELP)


def _show(folder: Path, as_json: bool) -> None:
    from ..executor.model import PinnedModel
    from .pin_inspect import as_data, as_lines

    with progress.status(f"checking {folder}"):
        model = PinnedModel.load(folder)
    manifest, graph = model.manifest, model.program.graph
    tell(as_json, as_data(manifest, graph), *as_lines(manifest, graph))


def _pin(source: str, said: Said, unpickle: bool, signed: tuple[Path, Path] | None, out: Path, as_json: bool) -> None:
    from ..executor.model import Folder, read_graph, read_manifest
    from ..executor.pinning.pin import pin as write
    from ..executor.pinning.recognise import candidate
    from ..executor.pinning.signature import import_signature, with_origin
    from .pin_inspect import as_data, summary

    with progress.status(f"reading {source}") as status:
        # Before anything of the source is read.
        origin = import_signature(Path(source), *signed) if signed else None
        found = candidate(source, said, unpickle=unpickle)
        found = with_origin(found, *origin) if origin else found
        write(found, out, lambda doing: status.update(f"{doing}: {source}"))
    parts = Folder(out)
    manifest = read_manifest(parts)
    graph = read_graph(parts, manifest)
    tell(as_json, {**as_data(manifest, graph), "directory": str(out)}, f"pinned in {out}", *summary(manifest, graph))
