"""The picture by layer: a treemap of names, its areas the shares and its colours what binds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from sartor.cost.roofline import COMPUTE, OVERHEAD
from sartor.plan.inspection import Inspection, Row
from sartor.report.drawing import frame
from sartor.report.inspect_words import bound_name
from sartor.report.texts import Language
from sartor.report.words import known

_MOST_NODES = 500
_LEVELS = ("--c2", "--c4", "--c1")  # of memory, the slowest first


@dataclass
class _Node:
    """A name with what lies under it."""

    label: str
    share: float = 0.0
    bounds: dict[str, float] = field(default_factory=dict)
    children: dict[str, _Node] = field(default_factory=dict)

    def add(self, path: Sequence[str], row: Row) -> None:
        self.share += row.share
        self.bounds[row.bound] = self.bounds.get(row.bound, 0.0) + row.share
        if path:
            self.children.setdefault(path[0], _Node(path[0])).add(path[1:], row)


def names_layers(found: Inspection) -> bool:
    """Whether the file says of more than one layer what it is called."""
    return len({row.layer for row in found.rows if row.layer}) > 1


def layers_picture(found: Inspection, language: Language) -> dict[str, Any] | None:
    """A treemap by layer, or by kind of operator where the file names no layers; None for a language model."""
    if found.kind != "graph" or not found.rows or not sum(row.share for row in found.rows):
        return None
    root, named = _Node(found.model), names_layers(found)
    for row in found.rows:
        root.add(_path(row, named, language), row)
    nodes = _listed(root)
    return {
        "data": [
            {
                "type": "treemap",
                "ids": [identity for identity, _, _ in nodes],
                "parents": [parent for _, parent, _ in nodes],
                "labels": [escape(node.label, quote=False) for _, _, node in nodes],
                "values": [node.share for _, _, node in nodes],
                "text": [f"{100 * node.share:.1f}%" for _, _, node in nodes],
                "hovertext": [_binds(node, language) for _, _, node in nodes],
                "hovertemplate": "<b>%{label}</b> %{text}<br>%{hovertext}<extra></extra>",
                "textinfo": "label+text",
                "branchvalues": "total",
                "tiling": {"pad": 2},
                "pathbar": {"thickness": 24},
                "textfont": {"color": "--paper"},
                "marker": {
                    "colors": [bound_colour(found, _most(node)) for _, _, node in nodes],
                    "line": {"color": "--paper", "width": 1},
                    "pad": {"t": 20, "l": 3, "r": 3, "b": 3},
                },
            }
        ],
        "layout": {**frame(), "height": 460, "margin": {"l": 0, "r": 0, "t": 28, "b": 4}, "xaxis": {"visible": False}},
    }


def bound_colour(found: Inspection, bound: str) -> str:
    """The colour of what binds, the same in bars and treemaps."""
    fixed = {COMPUTE: "--c3", OVERHEAD: "--c5", "": "--c1"}
    if bound in fixed or found.target is None:
        return fixed.get(bound, "--c2")
    names = [level.name for level in reversed(found.target.roofs.levels)]
    return _LEVELS[min(names.index(bound.partition(":")[2]), len(_LEVELS) - 1)]


def _path(row: Row, named: bool, language: Language) -> tuple[str, ...]:
    if named:
        return row.layer or (row.type,)
    return known(row.family, language), row.type


def _listed(root: _Node) -> list[tuple[str, str, _Node]]:
    """Identity, parent's identity and node, parents first, the largest first, up to `_MOST_NODES`."""
    listed: list[tuple[str, str, _Node]] = []
    waiting = [("/", "", root)]
    while waiting and len(listed) < _MOST_NODES:
        identity, parent, node = waiting.pop(0)
        listed.append((identity, parent, node))
        children = sorted(map(_joined, node.children.values()), key=lambda child: -child.share)
        waiting += [(f"{identity}/{child.label}", identity, child) for child in children if child.share]
    return listed


def _joined(node: _Node) -> _Node:
    """A name with nothing of its own and one name under it is one name."""
    while len(node.children) == 1:
        (child,) = node.children.values()
        if child.share < 0.999 * node.share:
            break
        node = _Node(f"{node.label}.{child.label}", node.share, node.bounds, child.children)
    return node


def _most(node: _Node) -> str:
    return max(node.bounds, key=lambda bound: node.bounds[bound])


def _binds(node: _Node, language: Language) -> str:
    parts = sorted(node.bounds.items(), key=lambda item: -item[1])
    shown = [f"{bound_name(bound, language)} {100 * share / node.share:.0f}%" for bound, share in parts if bound]
    return escape(", ".join(shown), quote=False)
