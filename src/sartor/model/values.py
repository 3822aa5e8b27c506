"""What the rest of the house knows of a model: its signature and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sartor.steps.specs import InputSpec

Dimension = int | str  # a symbolic dimension carries its name
Kind = Literal["zoo", "torch", "onnx", "huggingface", "exported-program", "sklearn", "keras"]


@dataclass(frozen=True)
class TensorSpec:
    """Name, element type (numpy name) and shape of one input or output; dimension 0 is the batch."""

    name: str
    dtype: str
    shape: tuple[Dimension, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> TensorSpec:
        """The inverse of `as_dict`."""
        return cls(saved["name"], saved["dtype"], tuple(saved["shape"]))


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a model, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def taken(self) -> tuple[InputSpec, ...]:
        """What rows must be, input by input."""
        from sartor.steps.specs import InputSpec  # numpy comes with it, which opening a model does not need

        return tuple(InputSpec(spec.name, spec.dtype, spec.shape[1:]) for spec in self.inputs)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "inputs": [spec.as_dict() for spec in self.inputs],
            "outputs": [spec.as_dict() for spec in self.outputs],
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Signature:
        """The inverse of `as_dict`."""
        return cls(
            tuple(TensorSpec.from_dict(spec) for spec in saved["inputs"]),
            tuple(TensorSpec.from_dict(spec) for spec in saved["outputs"]),
        )


@dataclass(frozen=True)
class Model:
    """A network with its origin, before any data has been seen.

    Attributes:
        name: short and unique within a Need; used in candidate names and file names.
        reference: what the Need says, such as `zoo:cnn(width=32)` or `net.onnx`.
        kind: `onnx` models are files already; all others are built by their library and exported.
        trainable: whether `train: auto` trains it whatever the labels are.
        content_hash: hash of the files, or of the reference for built models (code is not hashed).
        path: the file or folder that it is read from.
        knobs: architecture settings of a zoo model.
        inputs: names of its inputs, in order; empty when only the export will tell.
        steps: the pre-processing that it declares itself; None when it declares none.
        classes: names of its outputs, in order; empty when it has no head or gives them no names.
        columns: outputs of its head; None when it has no head of its own, or only the export will tell.
        output: the output that is judged and that `predict` reads; empty for the first that fits.
    """

    name: str
    reference: str
    kind: Kind
    trainable: bool
    content_hash: str
    path: Path | None = None
    knobs: tuple[tuple[str, int], ...] = ()
    inputs: tuple[str, ...] = ()
    steps: tuple[dict[str, Any], ...] | None = None
    classes: tuple[str, ...] = ()
    columns: int | None = None
    output: str = ""


@dataclass(frozen=True)
class ExportedModel:
    """An ONNX file on disk with its signature: what compression starts from."""

    path: Path
    signature: Signature
    parameters: int
