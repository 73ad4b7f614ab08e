"""What people commit to becomes tensors, as the manifest says."""

from __future__ import annotations

from collections.abc import Mapping

from ...evidence.inputs import AudioInput, ImageInput, InputSpec, RecordInput, TextInput
from .audio import AudioEncoder
from .encoder import Encoder
from .images import ImageEncoder
from .raw import TensorsEncoder
from .records import RecordEncoder
from .texts import TextEncoder

__all__ = ["Encoder", "encoder"]


def encoder(spec: InputSpec, files: Mapping[str, bytes]) -> Encoder:
    """The encoder that a manifest's input asks for. Raises MalformedError for a file that it cannot use."""
    match spec:
        case RecordInput():
            return RecordEncoder(spec)
        case TextInput():
            return TextEncoder(spec, files)
        case ImageInput():
            return ImageEncoder(spec)
        case AudioInput():
            return AudioEncoder(spec)
    return TensorsEncoder(spec)
