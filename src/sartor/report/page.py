"""The report: one HTML page that opens without a network, in English and Chinese, on screen and on paper."""

from __future__ import annotations

import base64
import gzip
import json
import math
import os
import shlex
import tempfile
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from sartor.errors import BundleError
from sartor.report import curves, layer_bars, networks
from sartor.report.drawing import finite
from sartor.report.markup import STATUSES, environment, percent
from sartor.report.trade_off import trade_off

_SPLITS = ("train", "calibrate", "select", "confirm")
_CLASSES_SHOWN = 12
_SECTIONS = ("verdict", "chosen", "candidates", "smaller", "sensitivities", "training", "splits", "machine", "run")


def write_page(evidence: Mapping[str, Any], bundle: Path, to: Path) -> None:
    """Write the report of a bundle as one HTML file.

    Args:
        evidence: what stands in `evidence.json`, or, where nothing was chosen, what `fit --json` prints.
        bundle: the folder that the page tells how to run; it need not hold a bundle.
        to: the file. It is written beside its place and renamed, so that a reader never sees half of it.
    """
    write_html(render_page({**_best_so_far(evidence, bundle), **evidence}, bundle.resolve().name), to)


def write_html(page: str, to: Path) -> None:
    """Write a page beside its place and rename it, so that a reader never sees half of it."""
    handle, name = tempfile.mkstemp(dir=to.parent, prefix=f".{to.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)  # mkstemp makes files that only their owner may read
        Path(name).replace(to)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _best_so_far(evidence: Mapping[str, Any], bundle: Path) -> dict[str, Any]:
    """What a bundle holds that nothing has proved yet."""
    from sartor.bundle.manifest import read_manifest

    if _outcome(evidence) != "provisional":
        return {}
    try:
        return {"best_so_far": read_manifest(bundle).chosen}
    except BundleError:
        return {}


def render_page(evidence: Mapping[str, Any], bundle_name: str) -> str:
    """The report as HTML.

    Args:
        evidence: as for `write_page`; every part of it may be missing.
        bundle_name: name of the bundle's folder, for the heading and the commands.
    """
    chosen, zero = (_named(evidence, evidence.get(key)) for key in ("chosen", "zero"))
    outcome = _outcome(evidence)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            e=evidence,
            bundle=bundle_name,
            outcome=outcome,
            sections=_sections(evidence, outcome),
            chosen=chosen,
            zero=zero,
            comparison=_comparison(evidence, chosen, zero) if chosen and zero else [],
            candidates=_ordered(evidence),
            refusals=_refusals(evidence),
            splits=_splits(evidence),
            data=_data(evidence),
            error=_error_budget(evidence),
            commands=_commands(bundle_name) if outcome != "infeasible" else None,
            need_yaml=_yaml(evidence["need"]) if evidence.get("need") else None,
            smaller=networks.smaller_networks(evidence),
            figures=_figures(evidence),
            plotly=plotly_library(),
        )
    )


def _outcome(evidence: Mapping[str, Any]) -> str:
    """The verdict, where `provisional` is an unmet one that no candidate was chosen for yet."""
    verdict = str(evidence.get("verdict", "not_met"))
    unjudged = evidence.get("chosen") is None and not evidence.get("limits")
    return "provisional" if verdict == "not_met" and (unjudged or evidence.get("provisional")) else verdict


def _sections(evidence: Mapping[str, Any], outcome: str) -> list[str]:
    """The sections that have something to say: an infeasible Need may end before anything is built."""
    absent = {key for key in ("candidates", "training", "splits", "sensitivities") if key not in evidence}
    absent |= set() if networks.smaller_networks(evidence) else {"smaller"}
    absent |= {"chosen"} if outcome == "infeasible" else set()
    return [key for key in _SECTIONS if key not in absent]


def _named(evidence: Mapping[str, Any], name: Any) -> dict[str, Any] | None:
    return next((c for c in evidence.get("candidates", ()) if c["id"] == name), None)


def _refusals(evidence: Mapping[str, Any]) -> dict[str, list[str]]:
    """Combinations by the reason that they were refused for."""
    found: dict[str, list[str]] = {}
    for refusal in evidence.get("refusals", ()):
        found.setdefault(refusal["why"], []).append(refusal["what"])
    return found


def _ordered(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Candidates as the table shows them at first: what came furthest, then the fastest."""

    def key(candidate: Mapping[str, Any]) -> tuple[int, float]:
        status = candidate["status"]
        latency = (candidate.get("latency") or {}).get("value")
        return STATUSES.index(status) if status in STATUSES else len(STATUSES), math.inf if latency is None else latency

    return sorted(evidence.get("candidates", ()), key=key)


def _comparison(evidence: Mapping[str, Any], chosen: Any, zero: Any) -> list[dict[str, Any]]:
    """Rows of figures: the chosen candidate beside candidate zero, with the ratio of their values."""
    quality, memory = evidence.get("quality") or {}, evidence.get("memory") or {}
    rows = [
        {"key": key, "chosen": chosen["figures"].get(key), "zero": zero["figures"].get(key)}
        for key in ("latency_p50", "latency_p90", "latency_p99", "throughput")
    ]
    rows.append({"key": "quality", "chosen": quality.get(chosen["id"]), "zero": quality.get(zero["id"])})
    rows.append({"key": "size", "chosen": _bytes(chosen), "zero": _bytes(zero)})
    rows.append({"key": "memory_peak", "chosen": memory.get(chosen["id"]), "zero": memory.get(zero["id"])})
    return [{**row, "ratio": _ratio(row["chosen"], row["zero"])} for row in rows if row["chosen"] or row["zero"]]


def _bytes(candidate: Mapping[str, Any]) -> dict[str, Any] | None:
    size = candidate.get("size_bytes")
    return {"value": size, "unit": "B", "low": size, "high": size, "source": "exact"} if size else None


def _ratio(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> str:
    if not one or not other or not finite(other["value"]) or finite(one["value"]) is None:
        return ""
    return f"{one['value'] / other['value']:#.3g}×"


def _splits(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    splits = evidence.get("splits") or {}
    rows, hashes = splits.get("rows", {}), splits.get("hashes", {})
    total = sum(rows.values()) or 1
    names = [*(name for name in _SPLITS if name in rows), *(name for name in rows if name not in _SPLITS)]
    return [{"name": n, "rows": rows[n], "share": rows[n] / total, "hash": hashes.get(n, "")} for n in names]


def _data(evidence: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the data report says, ready to print; None where there is none."""
    data = evidence.get("data")
    if not data:
        return None
    classes = {name: counts["rows"] for name, counts in data["classes"].items()}
    models = (evidence.get("models") or {}).items()
    return {
        "rows": f"{data['rows']:,}",
        "kind": data["kind"].split()[0],
        "spread": {key: f"{data['sizes'][key]:.3g}" for key in ("min", "median", "p99", "max") if key in data["sizes"]},
        "unit": data["sizes"]["unit"],
        "shape": " × ".join(map(str, data["sizes"].get("shape", ()))),
        "classes": [f"{name} {rows:,}" for name, rows in list(classes.items())[:_CLASSES_SHOWN]],
        "more": max(0, len(classes) - _CLASSES_SHOWN),
        "repeats": f"{sum(data['duplicates']['inside'].values()):,}",
        "contradict": f"{data['duplicates']['labels_differ']:,}",
        "notes": [*data["notes"], *(f"{name}: {said}" for name, part in models for said in part.get("notes", ()))],
    }


def _error_budget(evidence: Mapping[str, Any]) -> dict[str, Any] | None:
    """How often confirm was opened, and the error allowed to this opening and to the next, which has half of it."""
    before, shares = evidence.get("openings_before"), evidence.get("error_shares")
    if before is None:
        return None
    if not shares:
        return {"count": before + 1}
    total = shares["first"] + shares["fallback"]
    errors = {"total": total, "first": shares["first"], "fallback": shares["fallback"], "left": total / 2}
    return {"count": before + 1, **{key: percent(error) for key, error in errors.items()}}


def _commands(bundle_name: str) -> dict[str, str]:
    name = json.dumps(bundle_name, ensure_ascii=False)
    shell = f"sartor predict {shlex.quote(bundle_name)} DATA -o OUT.jsonl"
    python = f"from sartor import Bundle\n\nbundle = Bundle.load({name})\nbundle.predict(x)"
    return {"shell": shell, "python": python}


def _yaml(need: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(dict(need), sort_keys=False, allow_unicode=True)).rstrip()


def _figures(evidence: Mapping[str, Any]) -> dict[str, dict[str, Any] | None]:
    """Every picture in both languages; None where there is nothing to draw."""
    pictures = {
        "trade_off": trade_off,
        "losses": curves.losses,
        "validations": curves.validations,
        "sizes": networks.sizes,
        "recoveries": networks.recoveries,
        "kept": layer_bars.kept,
    }
    for number, model in enumerate(evidence.get("sensitivities", ())):
        pictures[f"sensitivities_{number}"] = partial(layer_bars.sensitivities, model=model)
    drawn = {name: {"en": draw(evidence, "en"), "zh": draw(evidence, "zh")} for name, draw in pictures.items()}
    return {name: figure if figure["en"] and figure["zh"] else None for name, figure in drawn.items()}


@cache
def plotly_library() -> str:
    """The plotting library, compressed: the page is 2 MB instead of 5, and the browser unpacks it itself."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()
