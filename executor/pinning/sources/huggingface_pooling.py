"""How the tokens of a text become one vector, as sentence-transformers writes it into a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from ..errors import PinError
from .huggingface_folder import read_json
from .huggingface_module import Read, last

_MODE: Final = "pooling_mode_"


def sentence(folder: Path) -> tuple[Read, str, None]:
    """What is read from the model, its output's name, and no rule.

    The modules of sentence-transformers are a transformer, pooling, and possibly a normalisation. Raises PinError.
    """
    try:
        modules = json.loads((folder / "modules.json").read_bytes())
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        path = next(str(module["path"]) for module, kind in zip(modules, kinds, strict=True) if kind == "Pooling")
    except (OSError, ValueError, TypeError, KeyError, StopIteration) as error:
        raise PinError(f"{folder / 'modules.json'} is none that says how tokens are pooled") from error
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise PinError(f"sentence-transformers' modules {', '.join(kinds):.200} are not taken over")
    if read_json(folder, "config_sentence_transformers.json", optional=True).get("default_prompt_name"):
        raise PinError("the model puts a prompt before each text", advice="pin it without, and commit to both")
    if read_json(folder, "sentence_bert_config.json", optional=True).get("do_lower_case"):
        raise PinError("the model lowers each text first", advice="have tokenizer.json do it")
    pooling = read_json(folder, f"{path}/config.json")
    on = [key.removeprefix(_MODE) for key, value in pooling.items() if key.startswith(_MODE) and value is True]
    (how, *others) = on or [str(pooling.get("pooling_mode"))]
    try:
        if not others:
            return pooled(how, normalised=kinds[-1] == "Normalize"), "embedding", None
    except KeyError:
        pass
    raise PinError(f"pooling by {' and '.join([how, *others]):.100} is not taken over")


def pooled(how: str, *, normalised: bool) -> Read:
    """What makes one vector of a text's tokens, by sentence-transformers' name for it; KeyError for others."""
    pool = _POOLS[how.removesuffix("s").removesuffix("_token")]

    def read(outputs: Any, mask: Tensor) -> Tensor:
        y: Tensor = pool(outputs.last_hidden_state, mask)
        return y / (y * y).sum(-1, keepdim=True).sqrt().clamp(min=1e-12) if normalised else y

    return read


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    weight = mask.to(x.dtype).unsqueeze(-1)
    return (x * weight).sum(1) / weight.sum(1)


def _largest(x: Tensor, mask: Tensor) -> Tensor:
    return x.masked_fill(mask.unsqueeze(-1) == 0, -torch.inf).amax(1)


def _first(x: Tensor, _: Tensor) -> Tensor:
    return x[:, 0]


_POOLS: Final = {"cls": _first, "mean": _mean, "max": _largest, "lasttoken": last}
