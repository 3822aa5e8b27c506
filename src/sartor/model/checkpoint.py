"""The files of a model folder: are the weights there, whole, and in a format that runs no code when it is read?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sartor.errors import ModelError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_LFS = b"version https://git-lfs"
_LENGTH = 8  # bytes before the header of a safetensors file that give its length
_LONGEST_HEADER = 100_000_000  # bytes; the limit of the format
_CHUNK = 1 << 20  # bytes hashed at a time
_ALLOWED = "complete weights in safetensors format"
_CONVERT = (
    "convert them where you trust their source: "
    "AutoModel.from_pretrained(FOLDER).save_pretrained(FOLDER) writes model.safetensors"
)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of the folder; empty when there is no such file.

    Raises:
        ModelError: a Git LFS pointer, or no JSON object.
    """
    if not path.is_file():
        return {}
    refuse_pointer(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is no JSON: {error}", "a complete file", "download it again") from None
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}", "a JSON object")
    return content


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a folder, each of them checked to be whole.

    Raises:
        ModelError: none there (pickled weights are refused), a shard missing, a Git LFS pointer, or a damaged file.
    """
    files = _listed(folder)
    for file in files:
        _check_whole(file)
    return files


def refuse_pointer(path: Path) -> None:
    """Raise when a file is what Git LFS leaves in its place.

    Raises:
        ModelError: it is.
    """
    with path.open("rb") as stream:
        if stream.read(len(_LFS)) == _LFS:
            raise ModelError(f"{path} is a Git LFS pointer, not the file", "the file itself", "run: git lfs pull")


def hash_files(files: Iterable[Path]) -> str:
    """SHA-256 over names and contents, in the order given."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _listed(folder: Path) -> tuple[Path, ...]:
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    shards = read_json(folder / INDEX).get("weight_map")
    if isinstance(shards, dict) and shards:
        return tuple(_shard(folder, str(name)) for name in sorted(set(shards.values())))
    pickles = [path.name for pattern in _PICKLES for path in sorted(folder.glob(pattern))]
    if pickles:
        raise ModelError(
            f"{folder} has its weights only as {pickles[0]}: a pickle, which can run any code when it is read",
            _ALLOWED,
            _CONVERT,
        )
    raise ModelError(f"{folder} has no {WEIGHTS}", _ALLOWED, "copy or download all files of the model")


def _shard(folder: Path, name: str) -> Path:
    part = folder / name
    if Path(name).name != name or not part.is_file():
        raise ModelError(
            f"{folder} has no {name}, which its {INDEX} names", _ALLOWED, "copy or download all files of the model"
        )
    return part


def _check_whole(path: Path) -> None:
    refuse_pointer(path)
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH), "little")
        header = stream.read(length) if length <= min(size, _LONGEST_HEADER) else b""
    try:
        tensors = json.loads(header)
        ends = [entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise ModelError(f"{path} is damaged: its header cannot be read", _ALLOWED, "download it again") from None
    needed = _LENGTH + length + max(ends, default=0)
    if size != needed:
        raise ModelError(f"{path} has {size:,} bytes, its header says {needed:,}", _ALLOWED, "download it again")
