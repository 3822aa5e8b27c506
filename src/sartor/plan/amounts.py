"""Amounts: what of a network takes time, in numbers that a calibration multiplies by seconds.

The time of a group is a sum of non-negative parts, each an amount times a coefficient of one machine, runtime,
precision and number of threads: so much for starting it, for each multiplication, for each number read, packed and
written, for each weight by the level of memory that it comes from. A sum adds over groups, so the times of whole
networks teach it, and nothing has to be timed inside a runtime.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sartor.machine.calibration import Hardware
from sartor.plan.outline import COLUMN, CONVOLUTIONS, FOLLOWERS, KINDS, OTHERS, PRODUCTS, Outline

Values = NDArray[np.float64]

_OF_PRODUCTS = ("one", "flop", "in", "packed", "out", "steps")
_WEIGHTS = ("near", "middle", "far")  # whatever multiplies them, they come the same way
_OF_OTHERS = ("one", "elements", "far", "costly", "window")
_AFTER = {"convolution": CONVOLUTIONS, "matrix": PRODUCTS[len(CONVOLUTIONS) :], "other": OTHERS}
CALL = "call"
NAMES = (
    *(f"{kind}.{name}" for kind in PRODUCTS for name in _OF_PRODUCTS),
    *(f"weights.{name}" for name in _WEIGHTS),
    *(f"{kind}.{name}" for kind in OTHERS for name in _OF_OTHERS),
    *(f"{name} after {place}.{what}" for place in _AFTER for name in FOLLOWERS for what in ("one", "elements")),
    CALL,
)
"""Every amount, in the order of the columns that `amounts` gives; `call` counts calls of the network."""
_PLACE = {name: number for number, name in enumerate(NAMES)}
_ELEMENT = 4.0  # bytes of an activation, for the choice of a level


def amounts(network: Outline, hardware: Hardware, weight_bytes: float) -> Values:
    """(groups, len(NAMES)): the amounts of each group over all its runs, of `call` none.

    Args:
        weight_bytes: of an element of a weight, in the precision that is asked about.
    """
    found = np.zeros((len(network), len(NAMES)))
    shares = _shares(_column(network, "weight").sum() * weight_bytes, hardware)
    kinds = _column(network, "kind").astype(int)
    for number, kind in enumerate(KINDS):
        mine = np.flatnonzero(kinds == number)
        if len(mine):
            rows = network[mine]
            own = (
                _of_recurrent(rows, shares, hardware)
                if kind == "recurrent"
                else _of_products(rows, kind, shares, hardware.lanes)
                if kind in PRODUCTS
                else _of_others(rows, kind, hardware)
            )
            for name, values in own.items():
                found[mine, _PLACE[name if "." in name else f"{kind}.{name}"]] = values
            for name, values in _followers(rows, kind).items():
                found[mine, _PLACE[name]] = values
    return found * _column(network, "times")[:, None]


def _column(network: Outline, name: str) -> Values:
    return network[:, COLUMN[name]]


Shares = tuple[Values, Values, Values]


def _shares(total_bytes: Values, hardware: Hardware) -> Shares:
    """Shares of the weights that each call finds near, in the last cache, and beyond.

    What is gone through in a circle and does not fit has been driven out when it is wanted again; caches that do not
    replace the oldest keep a part, which the square stands for.
    """
    total = np.maximum(total_bytes, 1.0)
    near = np.minimum(1.0, hardware.near_bytes / total) ** 2
    within = np.maximum(near, np.minimum(1.0, hardware.shared_bytes / total) ** 2)
    return near, within - near, 1.0 - within


def _of_products(rows: Outline, kind: str, shares: Shares, lanes: int) -> dict[str, Values]:
    batch, depth, steps = _column(rows, "batch"), _column(rows, "depth"), _column(rows, "steps")
    weight = _column(rows, "weight")
    across = batch if kind == "depthwise" else _column(rows, "columns")
    filled = np.ceil(across / lanes) * lanes / np.maximum(1.0, across)  # what is left over of a register is computed
    window = _column(rows, "area") > 1
    return {
        "one": np.ones(len(rows)),
        "flop": _column(rows, "flop") * filled,
        "in": _column(rows, "read"),
        "packed": np.where(window, batch * _column(rows, "rows") * depth, 0.0),
        "out": _column(rows, "written"),
        **{f"weights.{name}": weight * share for name, share in zip(_WEIGHTS, shares, strict=True)},
        "steps": steps,
    }


def _of_recurrent(rows: Outline, shares: Shares, hardware: Hardware) -> dict[str, Values]:
    """A product with the inputs of all steps at once, and one with the state in each step, whose matrix is read again.

    What the others have as `packed` is here the FLOP of the products with the state: few rows each, so less efficient.
    """
    ways, gates, hidden = (_column(rows, name) for name in ("batch", "columns", "depth"))
    steps = _column(rows, "steps")  # of all ways
    with_state = 2.0 * steps * _column(rows, "rows") * gates * hidden
    again = gates * hidden * np.maximum(0.0, steps - ways)
    levels = zip(_WEIGHTS, shares, _shares(gates * hidden * _ELEMENT, hardware), strict=True)
    return {
        "one": np.ones(len(rows)),
        "flop": np.maximum(0.0, _column(rows, "flop") - with_state),
        "in": _column(rows, "read"),
        "packed": with_state,
        "out": _column(rows, "written"),
        **{f"weights.{name}": _column(rows, "weight") * first + again * later for name, first, later in levels},
        "steps": steps,
    }


def _of_others(rows: Outline, kind: str, hardware: Hardware) -> dict[str, Values]:
    one = np.ones(len(rows))
    if kind == "view":
        return {"one": one}
    read, written = _column(rows, "read"), _column(rows, "written")
    elements = np.maximum(read, written)
    return {
        "one": one,
        "elements": elements,
        "far": elements * _beyond(_ELEMENT * (read + written), hardware.near_bytes),
        "costly": elements * _column(rows, "costly"),
        "window": np.where(_column(rows, "area") > 1, written * _column(rows, "area"), 0.0),
    }


def _beyond(size: Values, capacity: float) -> Values:
    """How far working sets are beyond a cache: 0 at half of it, 1 at four times."""
    return np.clip((np.log2(np.maximum(size, 1.0) / capacity) + 1.0) / 3.0, 0.0, 1.0)


def _followers(rows: Outline, kind: str) -> dict[str, Values]:
    place = next(name for name, kinds in _AFTER.items() if kind in kinds)
    found = {}
    for name in FOLLOWERS:
        found[f"{name} after {place}.one"] = _column(rows, f"{name}_count")
        found[f"{name} after {place}.elements"] = _column(rows, f"{name}_elements")
    return found
