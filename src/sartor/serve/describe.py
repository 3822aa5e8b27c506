"""What the endpoint says of itself and of its model: metadata and configuration as the protocol words them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from sartor.model.values import Signature, TensorSpec
from sartor.serve.datatypes import datatype_of
from sartor.serve.protocol import VERSION, shape_of


@dataclass(frozen=True)
class Described:
    """What clients may know of the served model.

    Attributes:
        name: what stands in the paths.
        platform: runtime and kind of file, such as `onnxruntime_onnx`.
    """

    name: str
    platform: str
    signature: Signature


def server_metadata() -> dict[str, Any]:
    """The answer of `GET /v2`."""
    return {
        "name": "sartor",
        "version": version("sartor"),
        "extensions": ["binary_tensor_data", "model_configuration"],
    }


def model_metadata(model: Described) -> dict[str, Any]:
    """The answer of `GET /v2/models/NAME`."""
    return {
        "name": model.name,
        "versions": [VERSION],
        "platform": model.platform,
        "inputs": _tensors(model.signature.inputs),
        "outputs": _tensors(model.signature.outputs),
    }


def model_config(model: Described) -> dict[str, Any]:
    """The answer of `GET /v2/models/NAME/config`, in the words of Triton's model configuration.

    `max_batch_size` 0 says that the dimensions include the rows.
    """
    return {
        "name": model.name,
        "platform": model.platform,
        "version_policy": {"specific": {"versions": [int(VERSION)]}},
        "max_batch_size": 0,
        "input": _config_tensors(model.signature.inputs),
        "output": _config_tensors(model.signature.outputs),
    }


def _tensors(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [{"name": spec.name, "datatype": datatype_of(spec.dtype), "shape": shape_of(spec)} for spec in specs]


def _config_tensors(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [
        {"name": spec.name, "data_type": f"TYPE_{_config_type(spec.dtype)}", "dims": shape_of(spec)} for spec in specs
    ]


def _config_type(dtype: str) -> str:
    return "STRING" if dtype == "object" else datatype_of(dtype)
