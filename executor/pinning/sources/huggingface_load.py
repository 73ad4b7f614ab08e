"""Models and tokenizers through `transformers`: from the folder alone, without code that comes with it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from torch import nn

from ....evidence.values import Text
from ...preprocessing import Encoder
from ..errors import PinError
from .huggingface_folder import TOKENIZER, architecture, read_json
from .huggingface_module import FUSED, WRITTEN_OUT, Attention, can_be_written_out, register

# Attention takes memory with the square of it; longer ones are for whoever says so.
MOST_TOKENS: Final = 1024


def load(folder: Path, config: dict[str, Any], attention: Attention | None, *, sentence: bool) -> Any:
    """The model with its weights as they are stored. Raises PinError."""
    library = _transformers()
    kind = library.AutoModel if sentence else getattr(library, architecture(config), None)
    if kind is None:
        raise PinError(f"transformers {library.__version__} has no {architecture(config)}")
    register()
    choices = {Attention.FUSED: [FUSED], Attention.EAGER: [WRITTEN_OUT], None: [FUSED, WRITTEN_OUT]}[attention]
    try:
        model, found = _first(kind, folder, choices)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, TypeError, AttributeError) as error:
        raise PinError(f"transformers cannot load {folder}: {' '.join(str(error).split()):.300}") from error
    # A pooler that pooling by the folder's own modules does not read.
    missing = sorted(name for name in found["missing_keys"] if not (sentence and name.startswith("pooler.")))
    if missing or found["mismatched_keys"]:
        raise PinError(f"the weights lack what a {type(model).__name__} has: {', '.join(missing):.200}")
    if model.config._attn_implementation == WRITTEN_OUT and not can_be_written_out(model):
        raise PinError(
            f"attention of a {type(model).__name__} is not taken over: its bits would depend on padding",
            advice="write the model as a torch module that zeroes the values of padded tokens, and give that",
        )
    return model


def _transformers() -> Any:
    try:
        library: Any = importlib.import_module("transformers")  # only to pin
    except ImportError as error:
        advice = "pip install 'reperform[transformers]'; whoever replays needs none of it"
        raise PinError("pinning a Hugging Face folder needs transformers", advice=advice) from error
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library


def _first(kind: Any, folder: Path, choices: Sequence[str]) -> Any:
    """The model and what of it was found, with the first kind of attention that it has."""
    for how in choices:
        try:
            return kind.from_pretrained(
                folder,
                attn_implementation=how,
                dtype="auto",
                local_files_only=True,
                output_loading_info=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
        except ValueError:
            if how == choices[-1]:
                raise
    raise PinError("no kind of attention was named")


def padding(model: Any) -> int:
    """A token that padding is made of; the model's own, where it has one."""
    named = model.config.pad_token_id
    return named if isinstance(named, int) and 0 <= named < model.config.vocab_size else 0


def most_tokens(folder: Path, model: nn.Module) -> int:
    """The least of what the folder's files and the model's positions allow, and of MOST_TOKENS."""
    said = [
        read_json(folder, name, optional=True).get(key)
        for name, key in (
            ("tokenizer_config.json", "model_max_length"),
            ("sentence_bert_config.json", "max_seq_length"),
        )
    ]
    positions = [getattr(model.config, "max_position_embeddings", None)]
    for name, layer in model.named_modules():
        # RoBERTa and its kin count positions from behind the padding token's.
        if name.endswith("position_embeddings") and isinstance(layer, nn.Embedding):
            positions.append(layer.num_embeddings - (0 if layer.padding_idx is None else layer.padding_idx + 1))
    return min([MOST_TOKENS, *(int(n) for n in (*said, *positions) if isinstance(n, int | float) and n > 0)])


def check_tokens(folder: Path, texts: Sequence[Text], made_by: Encoder) -> None:
    """tokenizer.json alone must give what transformers makes of all of the folder's files. Raises PinError."""
    try:
        tokenizer = _transformers().AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, TypeError, AttributeError) as error:
        raise PinError(f"transformers cannot load a tokenizer: {' '.join(str(error).split()):.300}") from error
    for number, text in enumerate(texts):
        if tokenizer(text.text)["input_ids"] != made_by.tensors([text])[0][0].tolist():
            raise PinError(
                f"{TOKENIZER} gives other tokens than transformers for example {number}",
                advice="save the tokenizer with AutoTokenizer's save_pretrained, which writes all into that file",
            )
