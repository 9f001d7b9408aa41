"""Files: written whole or not at all, and named arrays with text in the safetensors format, checked before use."""

from gatewise.storage.tensors import Tensors, read_metadata, read_tensors, tensor_bytes
from gatewise.storage.text import parse_json
from gatewise.storage.writing import check_places, write_together, write_whole

__all__ = [
    "Tensors",
    "check_places",
    "parse_json",
    "read_metadata",
    "read_tensors",
    "tensor_bytes",
    "write_together",
    "write_whole",
]
