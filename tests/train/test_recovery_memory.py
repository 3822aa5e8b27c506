"""Training back with little memory: a batch that does not fit is taken in parts."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from sartor.errors import CandidateError
from sartor.steps.prepared import Prepared
from sartor.train.recovery import Recovery, recover
from sartor.train.values import Progress, TrainingSettings
from tests.compress.prunable import Drawing

pytest.importorskip("torch")
import torch
from torch import Tensor, nn

from sartor.train.parts import InParts

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process holds, and limits it")


def ignore(progress: Progress) -> None:
    """No display."""


@contextmanager
def at_most(room: int) -> Iterator[None]:
    """Let this process take so many bytes more, as a worker with a limit may."""
    held = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line)
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (1024 * held + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def of_pictures(folder: Path, rows: int, side: int, channels: int) -> Recovery:
    """Each of five layers gives so many channels of pictures of one size, which the gradients need."""
    d = Drawing()
    x = d.conv("x", "one", 1, channels, 1)
    for kind in ("Tanh", "Sigmoid", "Softplus", "Tanh"):
        x = d.add(kind, x)
    mean = d.add("Flatten", d.add("GlobalAveragePool", x))
    onnx.save(d.done(d.dense(mean, "head", channels, 3), {"x": ("n", 1, side, side)}, 3), str(folder / "net.onnx"))
    inputs = Prepared({"x": np.random.default_rng(0).standard_normal((rows, 1, side, side)).astype(np.float32)})
    paths = (folder / "net.onnx", folder / "net.onnx", folder / "recovered.onnx")
    settings = TrainingSettings(epochs=1, batch=32)
    return Recovery(*paths, inputs, None, np.arange(rows), "classification", "y", settings)


def recover_within(room: int, folder: Path, rows: int, side: int, channels: int) -> dict[str, Any]:
    """What training back says, in a process of its own: what others have let go of is room that no limit counts."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(_recover_within, room, folder, rows, side, channels).result()


def _recover_within(room: int, folder: Path, rows: int, side: int, channels: int) -> dict[str, Any]:
    # What torch imports in its first training takes as much as these tests allow.
    recover(of_pictures(folder, rows=4, side=8, channels=2), ignore)
    recovery = of_pictures(folder, rows, side, channels)
    recovery.to.unlink()
    try:
        with at_most(room):
            return recover(recovery, ignore)
    except CandidateError as refused:  # which does not travel between processes
        return {"reason": refused.reason, "refused": str(refused)}


@on_linux
def test_a_batch_that_does_not_fit_is_taken_in_parts(tmp_path: Path) -> None:
    done = recover_within(100_000_000, tmp_path, rows=40, side=128, channels=16)  # 1 MB a row and layer
    assert done["settings"]["batch"] == 32
    assert [why for why in done["why"] if "parts, whose gradients are added up" in why]
    assert (tmp_path / "recovered.onnx").exists()


@on_linux
def test_too_little_memory_for_any_part_is_refused(tmp_path: Path) -> None:
    said = recover_within(100_000_000, tmp_path, rows=4, side=1024, channels=64)  # 268 MB a row and layer
    assert said["reason"] == "memory"
    assert "ran out of memory, even" in said["refused"]
    assert not (tmp_path / "recovered.onnx").exists()


class Pair(nn.Module):
    """Two inputs, one of them by name."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, first: Tensor, *, second: Tensor) -> dict[str, Tensor]:
        """(n, 4) and (n, 4) -> (n, 3)."""
        return {"y": self.layer(torch.tanh(first) * second)}


@pytest.mark.parametrize("parts", [1, 3, 50])
def test_parts_give_the_same_outputs_and_gradients(parts: int) -> None:
    torch.manual_seed(0)
    network, first, second = Pair(), torch.randn(10, 4), torch.randn(10, 4)
    found = []
    for each in (network, InParts(network, parts)):
        network.zero_grad()
        output = each(first, second=second)["y"]
        output.square().mean().backward()
        assert network.layer.weight.grad is not None
        found.append((output.detach(), network.layer.weight.grad.clone()))
    (whole, gradient), (pieces, added) = found
    assert torch.allclose(pieces, whole)
    assert torch.allclose(added, gradient, atol=1e-6)
    with torch.inference_mode():
        assert torch.allclose(InParts(network, parts)(first, second=second)["y"], whole)
