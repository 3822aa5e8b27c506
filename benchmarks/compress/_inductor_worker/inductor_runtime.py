"""A runtime for packages that torch inductor compiled ahead of time, so that they are timed like every other file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "torch inductor"


class Inductor:
    """See `sartor.runtime.base.Runtime`. The shapes of a package are those that it was compiled for."""

    name = NAME

    def version(self) -> str:
        """Version of torch."""
        import torch

        return str(torch.__version__)

    def why_not(self, precision: str) -> str | None:
        """Only f32 was compiled."""
        return None if precision == "f32" else "the package was compiled for f32"

    def load(self, path: Path, settings: Any) -> _Session:
        """Load a package."""
        import torch

        torch.set_num_threads(settings.threads)
        return _Session(torch._inductor.aoti_load_package(str(path)))


class _Session:
    def __init__(self, network: Any) -> None:
        self._network = network

    def run(self, inputs: Mapping[str, Any]) -> list[Any]:
        """The one output."""
        import torch

        given = (torch.from_numpy(array) for array in inputs.values())
        output = self._network(*given)
        output = output[0] if isinstance(output, (list, tuple)) else output
        return [output.numpy()]

    def precision(self) -> str:
        """What it was compiled for."""
        return "f32"


def register() -> None:
    """Let `sartor.runtime.open_runtime` know it."""
    from sartor.runtime import RUNTIMES

    RUNTIMES[NAME] = Inductor
