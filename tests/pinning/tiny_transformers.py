"""Small folders as `save_pretrained` of transformers writes them, with weights drawn at random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from reperform.evidence.values import Text
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

WORDS = (
    *("[PAD]", "[CLS]", "[SEP]", "[UNK]", "the", "a", "bank", "loan", "refused", "is"),
    *("not", "was", "income", "too", "low", "high", "for", "of", "and", "to"),
)
TEXTS = (
    Text("the loan was refused"),
    Text("income too low for the bank and the loan was refused to a bank"),
    Text("a"),
)
LENGTH = 40
SIZES: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
}


def save(folder: Path, model: Any, dtype: torch.dtype = torch.float32) -> Path:
    """A model of transformers, made larger so that its outputs differ, and a tokenizer of WORDS."""
    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0, 0.3)
    model.to(dtype).save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=LENGTH, **special
    ).save_pretrained(folder)
    return folder


def save_sentence_encoder(folder: Path, model: Any, *modes: str) -> Path:
    """The same with the modules of sentence-transformers, of which the last makes vectors of unit length."""
    save(folder, model)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": path} for path, kind in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pooling = {f"pooling_mode_{mode}": mode in modes for mode in ("cls_token", "mean_tokens", "mean_sqrt_len_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16, **pooling}))
    return folder


def change(folder: Path, name: str, **entries: object) -> None:
    """Change entries of a JSON file."""
    found = json.loads((folder / name).read_bytes())
    (folder / name).write_text(json.dumps({**found, **entries}))
