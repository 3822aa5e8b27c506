"""A Part: what is known of a piece of hardware that need not be here, each figure with where it was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sartor.errors import InputError
from sartor.figures import Figure

Kind = Literal["gpu", "tpu", "npu", "cpu", "fpga", "soc", "accelerator"]
KINDS: tuple[str, ...] = get_args(Kind)
# Element types as the vendors' tables write them, widest first.
DTYPES = ("fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp4", "int4")
# The same types as a Graph writes them.
_OF_GRAPHS = {
    **{"float64": "fp64", "float32": "fp32", "bfloat16": "bf16", "float16": "fp16", "float4e2m1": "fp4"},
    **dict.fromkeys(("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"), "fp8"),
    **{"uint8": "int8", "uint4": "int4"},
}


@dataclass(frozen=True)
class Origin:
    """Where a figure was found.

    Attributes:
        source: document, page or file of a public repository.
        note: conflicts with other sources, and what the figure leaves out.
        sparse: the peak with structured sparsity, in FLOP/s, where the source gives one. Never used to predict.
    """

    source: str
    note: str = ""
    sparse: Figure | None = None


@dataclass(frozen=True)
class ScaleUp:
    """The link that joins the devices of one domain, such as NVLink or ICI.

    Attributes:
        type: name of the link.
        bandwidth: of one device to all others together, one way, in B/s.
        pair: of one device to one other, one way, in B/s.
        devices: how many devices a domain has at most.
    """

    type: str
    bandwidth: Figure | None = None
    pair: Figure | None = None
    devices: int | None = None


@dataclass(frozen=True)
class Part:
    """A piece of hardware as its sources describe it.

    A figure's own source is `published`, `measured` (by whom stands in `origins`) or `assumed` (derived, or not traced
    to a document). Intervals are not known, so both ends are the value.

    Attributes:
        id: canonical name: words in lower case, joined by dashes.
        name: as its sources write it.
        peaks: highest arithmetic rate by element type, dense, in FLOP/s; integer operations count as FLOP.
        memory: size in B (decimal prefixes, as vendors write it).
        bandwidth: of that memory, in B/s.
        tdp: thermal design power in W.
        measured: best rate that somebody measured in a matrix product, by element type, in FLOP/s.
        host: bandwidth of the link to the host, one way, in B/s.
        price: rent in USD/h.
        source: where what has no source of its own was found.
        note: conflicts between sources.
        origins: source and note of each figure, by its name in the file, such as `peak.bf16`.
    """

    id: str
    name: str
    aliases: tuple[str, ...]
    vendor: str
    kind: Kind
    peaks: Mapping[str, Figure]
    memory: Figure
    bandwidth: Figure
    memory_type: str
    tdp: Figure | None
    measured: Mapping[str, Figure]
    scale_up: ScaleUp | None
    host: Figure | None
    price: Figure | None
    source: str
    note: str
    origins: Mapping[str, Origin]

    def peak(self, dtype: str) -> Figure:
        """Dense peak of an element type, in FLOP/s; a Graph's own names (`float32`, `bfloat16`) are understood.

        Raises:
            InputError: the catalogue has no such peak; another type never stands in for it.
        """
        short = _OF_GRAPHS.get(dtype, dtype)
        if short not in self.peaks:
            raise InputError(
                f"no peak of {self.id} for `{dtype}` is known",
                f"one of {', '.join(self.peaks)}",
                f"its sources give no other; a file of your own may add `peak.{short}`" if short in DTYPES else "",
            )
        return self.peaks[short]

    @property
    def figures(self) -> dict[str, Figure]:
        """Every figure by its name in the file, such as `memory.bandwidth`."""
        link = self.scale_up or ScaleUp("")
        named = {
            **{f"peak.{dtype}": figure for dtype, figure in self.peaks.items()},
            "memory.size": self.memory,
            "memory.bandwidth": self.bandwidth,
            "tdp": self.tdp,
            **{f"measured.{dtype}": figure for dtype, figure in self.measured.items()},
            "scale_up.bandwidth": link.bandwidth,
            "scale_up.pair": link.pair,
            "host.bandwidth": self.host,
            "price.per_hour": self.price,
        }
        return {name: figure for name, figure in named.items() if figure is not None}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: what it is, and each figure beside its source and note."""
        return {
            "id": self.id,
            "name": self.name,
            "vendor": self.vendor,
            "kind": self.kind,
            "memory_type": self.memory_type,
            "scale_up": {"type": self.scale_up.type, "devices": self.scale_up.devices} if self.scale_up else None,
            "figures": {name: _cited(figure, self.origins[name]) for name, figure in self.figures.items()},
            "source": self.source,
            "note": self.note,
        }


def _cited(figure: Figure, origin: Origin) -> dict[str, Any]:
    sparse = {} if origin.sparse is None else {"sparse": origin.sparse.value}
    return {**figure.as_dict(), "found_in": origin.source, "note": origin.note, **sparse}
