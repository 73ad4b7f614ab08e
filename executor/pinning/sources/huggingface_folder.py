"""What stands in a Hugging Face folder beside the weights, and what may not stand there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ..errors import PinError

TOKENIZER: Final = "tokenizer.json"
# What runs or needs more than transformers itself.
_FOREIGN: Final = ("auto_map", "quantization_config")
_PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def read_json(folder: Path, name: str, *, optional: bool = False) -> dict[str, Any]:
    """A JSON object; an empty one for a file that is `optional` and not there. Raises PinError."""
    if optional and not (folder / name).exists():
        return {}
    try:
        found = json.loads((folder / name).read_bytes())
    except OSError as error:
        raise PinError(f"{folder} has no readable {name}", advice="name a Hugging Face model's folder") from error
    except ValueError as error:
        raise PinError(f"{folder / name} is not JSON") from error
    if not isinstance(found, dict):
        raise PinError(f"{folder / name} is not a JSON object")
    return found


def architecture(config: dict[str, Any]) -> str:
    """The class of transformers that config.json names. Raises PinError."""
    match config.get("architectures"):
        case [str(name)]:
            return name
    raise PinError("config.json does not name one architecture")


def check_files(folder: Path, config: dict[str, Any]) -> None:
    """All that is needed is there, and nothing that would run or need more. Raises PinError."""
    if foreign := [key for key in _FOREIGN if config.get(key)]:
        raise PinError(
            f"config.json has {foreign[0]}: the model needs code that is not in transformers",
            advice="write the model as a torch module, and give MODULE:FUNCTION",
        )
    if (folder / "adapter_config.json").exists():
        raise PinError("the folder holds an adapter beside a model", advice="merge them, and save that")
    if not list(folder.glob("*.safetensors")):
        if pickles := sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern)):
            raise PinError(
                f"{pickles[0]} is a pickle, and the folder has no safetensors",
                advice="save the model with save_pretrained (safetensors is its default), where you trust the pickle",
            )
        raise PinError(f"{folder} has no safetensors", advice="name a folder that save_pretrained wrote")
    if not (folder / TOKENIZER).exists():
        raise PinError(f"{folder} has no {TOKENIZER}", advice="AutoTokenizer's save_pretrained writes it")
