"""How a loss changes with the weights of a file, batch by batch. Torch is imported when called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.steps.base import Array
from sartor.steps.prepared import Prepared
from sartor.train.values import Kind

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor

_BATCH = 16  # rows: a gradient over many of them is near zero where a network has learnt them


def weight_gradients(
    model: ModelProto,
    output: str,
    kind: Kind,
    inputs: Prepared,
    rows: NDArray[np.int64],
    *,
    batches: int,
    seed: int,
    threads: int,
) -> Iterator[dict[str, Array]]:
    """Gradients of the log-likelihood of answers that the network itself finds likely, by the name of the weight.

    A class is drawn from what the network answers, or normal noise of the size of the answers is taken as the error of
    values: what their squares average to is the Fisher information, which needs no labels and says how much the answers
    move with a weight (Theis et al. 2018, "Faster gaze prediction with dense networks and Fisher pruning", arXiv
    1801.05787, section 2.1).

    Args:
        model: an ONNX file.
        output: name of the output that counts, (rows, columns) or (rows,).
        kind: what it means.
        inputs: prepared rows, by the names of the file's inputs.
        rows: numbers of those that may be used; they are drawn at random.
        batches: how many gradients are given.
        seed: of the rows and of what is drawn.
        threads: that torch may use.

    Raises:
        CandidateError: `unsupported`, an operator that cannot be learnt through.
        MissingExtraError: torch is not installed.
    """
    from sartor.model.torch import require_torch

    require_torch("pruning by gradients")
    import torch

    from sartor.train.answers import Answers, form_of
    from sartor.train.feeding import call_with, tensors_of
    from sartor.train.onnx_module import OnnxModule

    torch.set_num_threads(threads)
    network = OnnxModule(model, [output])
    form, _ = form_of(network, kind, inputs, rows)
    answers = Answers(network, form)
    random = np.random.default_rng(seed)
    for _ in range(batches):
        chosen = np.sort(random.choice(rows, min(_BATCH, len(rows)), replace=False))
        columns = call_with(answers, tensors_of(inputs.take(chosen).trimmed()), by_name=False)
        loss = _surprise(columns, kind, random)
        network.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        yield {
            name: weight.grad.numpy() if weight.grad is not None else np.zeros(weight.shape, np.float32)
            for name, weight in network.weights.items()
        }


def _surprise(answers: Tensor, kind: Kind, random: np.random.Generator) -> Tensor:
    """A loss whose gradient is that of the log-likelihood of one draw from the answers, mean over the rows."""
    import torch
    from torch.nn import functional

    if kind == "regression":
        noise = torch.from_numpy(random.standard_normal(answers.shape).astype(np.float32))
        return (answers * noise).sum(1).mean()
    ends = answers.detach().double().softmax(1).cumsum(1).numpy()
    drawn = (random.random((len(ends), 1)) > ends).sum(1).clip(max=ends.shape[1] - 1)
    return functional.cross_entropy(answers, torch.from_numpy(drawn))
