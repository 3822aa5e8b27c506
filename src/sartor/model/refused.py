"""Files of weights that are never opened, and what to do instead."""

from __future__ import annotations

from pathlib import Path

from sartor.errors import ModelError

_PICKLE = "is a pickle: opening it would execute whatever code it holds"
_TORCH = (
    _PICKLE,
    "write a function that builds the module and loads the weights with torch.load(..., weights_only=True), and "
    "name it: package.module:function; or save the module with torch.export.save as .pt2",
)
_SKLEARN = (
    _PICKLE,
    "write a function that loads and returns the estimator, and name it: sklearn:package.module:function",
)
_KERAS = (
    "is Keras' old HDF5 format, which may hold code",
    "load it where it was trained, and save it again with model.save('model.keras')",
)
_REFUSED: dict[str, tuple[str, str]] = {
    ".pkl": _SKLEARN,
    ".pickle": _SKLEARN,
    ".joblib": _SKLEARN,
    ".pt": _TORCH,
    ".pth": _TORCH,
    ".ckpt": _TORCH,
    ".bin": (
        _PICKLE,
        "save a Hugging Face model with save_pretrained(folder), which writes safetensors, and name the folder",
    ),
    ".h5": _KERAS,
    ".hdf5": _KERAS,
}
_ALLOWED = "zoo:NAME, a path that ends in .onnx, .pt2 or .keras, a Hugging Face folder, or package.module:callable"


def refuse_pickle(reference: str) -> None:
    """Refuse a reference to a file that would execute code when it is opened.

    Raises:
        ModelError: with what to do instead for this kind of file.
    """
    if reason := _REFUSED.get(Path(reference).suffix.lower()):
        raise ModelError(f"`{reference}` {reason[0]}", _ALLOWED, reason[1])
