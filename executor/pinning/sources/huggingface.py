"""A Hugging Face folder: config.json, safetensors and tokenizer.json, through `transformers`, which only pins.

No code comes with the folder (trust_remote_code stays off), nothing is unpickled, nothing is looked up elsewhere.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from ....evidence.inputs import TextInput
from ....evidence.rules import Largest, Rule
from ....evidence.values import Input, Text
from ...preprocessing import Encoder, encoder
from ..candidate import Candidate, Original
from ..errors import PinError
from .huggingface_folder import TOKENIZER, architecture, check_files, read_json
from .huggingface_load import check_tokens, load, most_tokens, padding
from .huggingface_module import (
    Attention,
    OfTexts,
    Read,
    independent_probabilities,
    last_logits,
    probabilities,
    scores,
)
from .huggingface_pooling import sentence

LOGITS: Final = "logits"
_CLASSIFIER: Final = "ForSequenceClassification"
_GENERATORS: Final = ("ForCausalLM", "LMHeadModel")


def from_directory(
    folder: Path,
    examples: Sequence[Input],
    *,
    name: str | None = None,
    max_tokens: int | None = None,
    attention: Attention | None = None,
) -> Candidate:
    """The model in `folder`; `attention` is fused where the model has it. Raises PinError.

    A classifier gives probabilities and decides by the largest, a language model the logits of the next token, an
    encoder whose folder says how tokens are pooled an embedding.
    """
    config = read_json(folder, "config.json")
    check_files(folder, config)
    of_sentences = (folder / "modules.json").exists()
    read, output, rule = sentence(folder) if of_sentences else _reading(config)
    texts = [one for one in examples if isinstance(one, Text)]
    if not texts or len(texts) != len(examples):
        raise PinError("a model in a Hugging Face folder takes texts", advice="give a .txt file with --examples")
    model = load(folder, config, attention, sentence=of_sentences)
    module = OfTexts(model, read, padding(model), **({"use_cache": False} if output == LOGITS else {})).eval()
    files = {TOKENIZER: (folder / TOKENIZER).read_bytes()}
    spec = TextInput(TOKENIZER, max_tokens or most_tokens(folder, model))
    made_by = encoder(spec, files)
    texts = _of_two_lengths(texts, made_by)
    check_tokens(folder, texts, made_by)
    return Candidate(
        name=name or folder.resolve().name,
        module=module,
        examples=texts,
        input=spec,
        outputs=[output],
        rule=rule,
        files=files,
        original=_float_original(module, made_by),
    )


def _reading(config: dict[str, Any]) -> tuple[Read, str, Rule | None]:
    """What is read from the model that config.json names, its output's name, and the rule."""
    name = architecture(config)
    if name.endswith(_GENERATORS):
        return last_logits, LOGITS, None
    if not name.endswith(_CLASSIFIER):
        raise PinError(
            f"a {name} gives no one answer for a text",
            advice=f"a …{_CLASSIFIER} or …{_GENERATORS[0]} does; to pool an encoder's tokens, add the modules.json and "
            "1_Pooling of sentence-transformers",
        )
    labels = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # transformers' own default
    if config.get("problem_type") == "multi_label_classification":
        return independent_probabilities, "probabilities", None
    if config.get("problem_type") == "regression" or len(labels) == 1:
        return scores, "score", None
    try:
        return probabilities, "probabilities", Largest(tuple(str(labels[str(i)]) for i in range(len(labels))))
    except KeyError as error:
        raise PinError("config.json does not name its labels from 0 on") from error


def _of_two_lengths(texts: Sequence[Text], made_by: Encoder) -> list[Text]:
    """With one text more where all have as many tokens: without padding, nothing would show that it does not matter."""
    lengths = {made_by.tensors([text])[0].shape[1] for text in texts}
    return [*texts, Text(f"{texts[0].text} {texts[0].text}")] if len(lengths) == 1 else list(texts)


def _float_original(module: OfTexts, made_by: Encoder) -> Original | None:
    """Weights of 16 bits are computed with in 32, and compared with the same model in 32."""
    if all(tensor.dtype == torch.float32 for tensor in module.parameters()):
        return None
    wide = copy.deepcopy(module).float()

    def answer(one: Input) -> list[torch.Tensor]:
        with torch.no_grad():
            return [wide(*made_by.tensors([one]))[0]]

    return answer
