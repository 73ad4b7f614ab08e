"""Hugging Face folders, against what transformers itself answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from reperform.evidence.errors import ReperformError
from reperform.evidence.rules import Largest
from reperform.evidence.values import Output, Text
from reperform.executor.model import PinnedModel
from reperform.executor.pinning.errors import PinError
from reperform.executor.pinning.pin import pin
from reperform.executor.pinning.sources.huggingface import from_directory
from reperform.executor.pinning.sources.huggingface_module import Attention
from reperform.executor.preprocessing import encoder
from reperform.tests.pinning.tiny_transformers import LENGTH, SIZES, TEXTS, change, save, save_sentence_encoder

# Operands of a dot product have 20 bits: with these sizes that alone may be 3e-5 of difference, and 1.7e-5 was seen.
TOLERANCE = 1e-4
LABELS = {0: "refuse", 1: "grant", 2: "ask"}
Answer = Callable[[Any], torch.Tensor]


def bert() -> Any:
    return transformers.BertForSequenceClassification(transformers.BertConfig(**SIZES, id2label=LABELS))


def llama(**more: Any) -> Any:
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, num_key_value_heads=1, **more))


def pinned(folder: Path, out: Path, attention: Attention | None = None) -> PinnedModel:
    pin(from_directory(folder, TEXTS, attention=attention), out)
    return PinnedModel.load(out)


def native(folder: Path, kind: Any, read: Answer) -> Iterator[torch.Tensor]:
    """What transformers answers for each text alone, in float32."""
    model = kind.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for text in TEXTS:
        with torch.no_grad():
            yield read(model(**tokenizer(text.text, return_tensors="pt")))[0]


def compare(outputs: list[Output], expected: Iterator[torch.Tensor]) -> list[np.ndarray]:
    found = [np.frombuffer(output.tensors[0].data, "<f4") for output in outputs]
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other.numpy()).max() < TOLERANCE
    assert np.abs(found[0] - found[1]).max() > 1e-2
    return found


def attends_as_one(model: PinnedModel) -> bool:
    return any("scaled_dot_product_attention" in node.op for node in model.program.graph.nodes)


def test_a_classifier_gives_probabilities_and_decides(tmp_path: Path) -> None:
    model = pinned(folder := save(tmp_path / "bert", bert()), tmp_path / "pinned")
    kind = transformers.AutoModelForSequenceClassification
    outputs = model.run(TEXTS)
    found = compare(outputs, native(folder, kind, lambda answer: answer.logits.softmax(-1)))
    assert model.manifest.rule == Largest(tuple(LABELS.values()))
    assert [output.decision for output in outputs] == [LABELS[int(one.argmax())] for one in found]
    assert attends_as_one(model)


def test_a_language_model_gives_the_logits_of_the_next_token(tmp_path: Path) -> None:
    """Stored in bfloat16: pinned as that, computed in float32."""
    folder = save(tmp_path / "llama", llama(pad_token_id=0), torch.bfloat16)
    model = pinned(folder, tmp_path / "pinned")
    compare(model.run(TEXTS), native(folder, transformers.AutoModelForCausalLM, lambda answer: answer.logits[:, -1]))
    assert {str(t.dtype) for t in model.manifest.tensors if t.name.endswith("proj.weight")} == {"BF16"}


def test_an_encoder_with_eager_attention_is_pooled_as_its_folder_says(tmp_path: Path) -> None:
    encoder = transformers.RobertaModel(transformers.RobertaConfig(**SIZES, pad_token_id=0))
    folder = save_sentence_encoder(tmp_path / "roberta", encoder, "mean_tokens")
    model = pinned(folder, tmp_path / "pinned", Attention.EAGER)

    def mean(answer: Any) -> torch.Tensor:
        return torch.nn.functional.normalize(answer.last_hidden_state.mean(1))

    compare(model.run(TEXTS), native(folder, transformers.AutoModel, mean))
    assert not attends_as_one(model)


def test_the_longest_text_is_what_all_files_allow(tmp_path: Path) -> None:
    folder = save(tmp_path / "bert", bert())
    candidate = from_directory(folder, TEXTS[:1], name="a name")
    assert candidate.name == "a name"
    assert candidate.input.max_tokens == LENGTH  # type: ignore[union-attr]
    # Something must be padded in the check of the batch.
    assert candidate.examples == [TEXTS[0], Text(f"{TEXTS[0].text} {TEXTS[0].text}")]
    change(folder, "tokenizer_config.json", model_max_length=10**30)
    assert from_directory(folder, TEXTS).input.max_tokens == SIZES["max_position_embeddings"]  # type: ignore[union-attr]
    assert from_directory(folder, TEXTS, max_tokens=20).input.max_tokens == 20  # type: ignore[union-attr]
    roberta = transformers.RobertaForSequenceClassification(transformers.RobertaConfig(**SIZES))
    change(folder := save(tmp_path / "roberta", roberta), "tokenizer_config.json", model_max_length=10**30)
    assert from_directory(folder, TEXTS).input.max_tokens == SIZES["max_position_embeddings"] - 2  # type: ignore[union-attr]


def test_padding_is_made_of_the_models_own_token(tmp_path: Path) -> None:
    """A classifier of the Llama type looks for the last token that is no padding."""
    config = transformers.LlamaConfig(**SIZES, num_key_value_heads=1, pad_token_id=3)
    candidate = from_directory(save(tmp_path / "llama", transformers.LlamaForSequenceClassification(config)), TEXTS)
    made_by = encoder(candidate.input, candidate.files)
    with torch.no_grad():
        together = candidate.module(*made_by.tensors(TEXTS))
        alone = torch.cat([candidate.module(*made_by.tensors([text])) for text in TEXTS])
    assert (together - alone).abs().max() < 1e-6


def foreign_code(folder: Path) -> None:
    change(folder, "config.json", auto_map={"AutoModel": "code.py"})


def quantised(folder: Path) -> None:
    change(folder, "config.json", quantization_config={"quant_method": "gptq"})


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def no_head(folder: Path) -> None:
    transformers.BertModel(transformers.BertConfig(**SIZES)).save_pretrained(folder)
    change(folder, "config.json", architectures=["BertForSequenceClassification"])


def no_answer(folder: Path) -> None:
    change(folder, "config.json", architectures=["BertForTokenClassification"])


def no_such_class(folder: Path) -> None:
    change(folder, "config.json", architectures=["NoneForSequenceClassification"])


def same_labels(folder: Path) -> None:
    change(folder, "config.json", id2label={"0": "a", "1": "a"})


def padding_matters(folder: Path) -> None:
    mpnet = transformers.MPNetForSequenceClassification(transformers.MPNetConfig(**SIZES))
    mpnet.save_pretrained(folder)


REFUSED: dict[Callable[[Path], None], str] = {
    foreign_code: "config.json has auto_map",
    quantised: "config.json has quantization_config",
    pickled: "pytorch_model.bin is a pickle",
    adapter: "an adapter",
    no_tokenizer: "has no tokenizer.json",
    no_head: "the weights lack what a BertForSequenceClassification has: classifier.bias, classifier.weight",
    no_answer: "a BertForTokenClassification gives no one answer",
    no_such_class: "has no NoneForSequenceClassification",
    same_labels: "each once",
    padding_matters: "its bits would depend on padding",
}


@pytest.mark.parametrize("spoil", REFUSED, ids=lambda spoil: spoil.__name__)
def test_what_cannot_be_pinned_is_refused(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(folder := save(tmp_path / "bert", bert()))
    with pytest.raises(ReperformError, match=REFUSED[spoil]):
        from_directory(folder, TEXTS)


@pytest.mark.parametrize(
    ("modes", "cause"), [((), "pooling by None"), (("mean_sqrt_len_tokens",), "pooling by mean_sqrt_len_tokens"),
                         (("cls_token", "mean_tokens"), "pooling by cls_token and mean_tokens")]
)  # fmt: skip
def test_pooling_that_is_not_known_is_refused(tmp_path: Path, modes: tuple[str, ...], cause: str) -> None:
    folder = save_sentence_encoder(tmp_path / "bert", transformers.BertModel(transformers.BertConfig(**SIZES)), *modes)
    with pytest.raises(PinError, match=cause):
        from_directory(folder, TEXTS)
