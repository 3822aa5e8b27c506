"""The network whose answers are learnt. Imports torch: import this file inside functions only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sartor.train.feeding import Feed, Tensors
from sartor.train.rows import Rows


class Teacher:
    """Answers of a module that does not learn, each computed once where rows come unchanged.

    Rows that are moved at random are answered as they came (Beyer et al. 2022, "Knowledge distillation: a good
    teacher is patient and consistent", arXiv 2106.05237).
    """

    def __init__(self, module: nn.Module, feed: Feed, count: int, file: Path | None = None) -> None:
        """A teacher of `count` rows that reach it by `feed`; what it answered before may wait in a file."""
        self._module = module.float().eval().requires_grad_(False)
        self._module.to(memory_format=feed.layout)  # type: ignore[call-overload]
        self._feed = feed
        self._known = torch.zeros(count, dtype=torch.bool)
        self._answers: Tensor | None = None
        self._file = file
        if file is not None and file.exists():
            with np.load(file) as before:
                self._known, self._answers = torch.from_numpy(before["known"]), torch.from_numpy(before["answers"])

    def keep(self) -> None:
        """Write what was answered, for the next training by the same teacher: a pass of the whole network a row."""
        if self._file is None or self._answers is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".draft.npz")
        np.savez(draft, known=self._known.numpy(), answers=self._answers.numpy())
        draft.replace(self._file)

    def answers(self, rows: Rows, tensors: Tensors | None = None) -> Tensor:
        """(rows, outputs) of some rows; `tensors` are these rows as the student sees them, read anew by default."""
        places = torch.from_numpy(rows)
        kept = self._feed.pixels == 0 or tensors is None
        if kept and self._answers is not None and bool(self._known[places].all()):
            return self._answers[places]
        with torch.inference_mode():
            found = self._feed.call(self._module, self._feed.read(rows) if tensors is None else tensors).float()
        found = found.reshape(len(rows), -1).clone()
        if kept:
            if self._answers is None:
                self._answers = torch.zeros(len(self._known), found.shape[1])
            self._answers[places] = found
            self._known[places] = True
        return found
