"""Experience: what fits found of real networks corrects the predictions of those like them, at once.

A calibration is learnt anew from all samples only when it is asked for. Until then, each network that a fit timed
leaves by how much its prediction was off, and a further network is corrected by those that are like it, the more the
closer they are (Nadaraya 1964 and Watson 1964, shrunk towards no correction where nothing is near). A network that was
timed before is then predicted to take about what it took.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sartor.machine.calibration import Experience
from sartor.machine.samples import Network
from sartor.plan.outline import COLUMN, KINDS

Values = NDArray[np.float64]
_WIDTH = 0.15  # distance at which a network counts about a third as much as one that is the same
_DOUBT = 0.15  # of a network's worth of evidence that nothing needs correcting
_PER_DECADE = 0.3  # distance of ten times as many FLOP, or weights
_LEAST = 1e-3  # weight below which a network is not like another


def likeness(network: Network) -> Values:
    """Where networks that are alike lie close together: shares of FLOP and of bytes by kind of group, and sizes."""
    groups = network.groups
    times = groups[:, COLUMN["times"]]
    flop = groups[:, COLUMN["flop"]] * times
    moved = (groups[:, COLUMN["read"]] + groups[:, COLUMN["written"]]) * times
    kinds = groups[:, COLUMN["kind"]].astype(int)
    sizes = [flop.sum(), groups[:, COLUMN["weight"]].sum()]
    return np.concatenate(
        [
            _shares(flop, kinds),
            _shares(moved, kinds),
            [_PER_DECADE * math.log10(max(1.0, size)) for size in sizes],
        ]
    )


def _shares(values: Values, kinds: NDArray[np.int64]) -> Values:
    summed = np.bincount(kinds, values, len(KINDS))
    return summed / max(1.0, float(summed.sum()))


def correction(network: Network, key: str, known: Sequence[Experience]) -> tuple[float, float]:
    """What to add to the logarithm of a prediction, and how much it is trusted, from 0 to 1.

    Args:
        key: of the runtime, arithmetic and threads, as `Experience` has it.
    """
    told = [one for one in known if key in one.off]
    if not told:
        return 0.0, 0.0
    distances = np.linalg.norm(np.array([one.likeness for one in told]) - likeness(network), axis=1)
    weights = np.exp(-((distances / _WIDTH) ** 2))
    if weights.sum() < _LEAST:
        return 0.0, 0.0
    off = np.array([one.off[key] for one in told])
    return float(weights @ off / (weights.sum() + _DOUBT)), float(weights.max() / (weights.max() + _DOUBT))
