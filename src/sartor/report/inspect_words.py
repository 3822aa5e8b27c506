"""An Inspection in words: counts, what binds, what a change would bring."""

from __future__ import annotations

from collections.abc import Mapping

from sartor.cost.graph import Tensor
from sartor.cost.roofline import COMPUTE, MEMORY, OVERHEAD
from sartor.figures import Figure
from sartor.plan.inspection import Change, Inspection, Row
from sartor.plan.prospects import FUSED, Prospect
from sartor.report.texts import Language
from sartor.report.words import known, text
from sartor.units import format_value

PROSPECT_COLUMNS = ("runtime", "arithmetic", "threads", "latency", "gain", "size", "memory", "start", "past")
_LEAST_MOVED = 0.005  # of the time; less is not worth a sentence
_COUNTS = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))
_GROUPED = 1000  # larger numbers are written without decimals
_WHOLE = 10_000  # smaller counts are written out


def amount(figure: Figure) -> str:
    """A total as people read it: counts in thousands and millions, everything else with its unit.

    >>> amount(Figure.exact(25_557_032, "")), amount(Figure.exact(105, ""))
    ('25.6 M', '105')
    """
    if figure.unit:
        return format_value(figure.value, figure.unit)
    if figure.value < _WHOLE:
        return f"{figure.value:,.0f}"
    factor, unit = next(step for step in _COUNTS if figure.value >= step[0])
    return f"{figure.value / factor:.3g}{unit}"


def intensity_words(intensity: float) -> str:
    """FLOP/B without the unit.

    >>> intensity_words(12218.3), intensity_words(0.1251)
    ('12,218', '0.125')
    """
    return f"{intensity:,.0f}" if intensity >= _GROUPED else f"{intensity:.3g}"


def fact_name(key: str, language: Language) -> str:
    """The name of a total; FLOP carry their element type."""
    if key.startswith("flop_"):
        return text("fact_flop", language, dtype=key.removeprefix("flop_"))
    return known(f"fact_{key}", language)


def bound_name(bound: str, language: Language) -> str:
    """What binds.

    >>> bound_name("memory:L2", "en"), bound_name("overhead", "zh")
    ('memory: L2', '调用开销')
    """
    if bound.startswith(MEMORY):
        return text("bound_memory", language, level=bound.partition(":")[2])
    return text({COMPUTE: "bound_compute", OVERHEAD: "bound_overhead", FUSED: "bound_fused"}[bound], language)


def change_sentence(change: Change, language: Language) -> str:
    """What another element type would bring, with the interval."""
    values = {
        "what": _what(change, language),
        "factor": f"{change.factor.value:.3g}",
        "ends": _ends(change.factor),
        "moved": _percent(change.moved),
        "before": _percent(_memory(change.before)),
        "after": _percent(_memory(change.after)),
    }
    return text("change_moves" if change.moved >= _LEAST_MOVED else "change_stays", language, **values)


def change_how(found: Inspection) -> str:
    """The key of the text that says how the factors were made."""
    if found.kind != "graph":
        return "change_how_language"
    calibrated = any(change.factor.source == "calibrated" for change in found.changes)
    return "change_calibrated" if calibrated else "change_how"


def interval_words(seconds: Figure, language: Language) -> str:
    """A calibrated time with its interval; the roofline's, with what fusing everything would leave of it."""
    value, low = format_value(seconds.value, "s"), format_value(seconds.low, "s")
    if seconds.source == "calibrated":
        return text("time_calibrated", language, value=value, low=low, high=format_value(seconds.high, "s"))
    return text("time_is", language, value=value, low=low)


def prospect_cells(prospect: Prospect) -> tuple[str, ...]:
    """Runtime, arithmetic, threads, latency, gain, size, memory, start, and what was missed before."""
    gain = f"{prospect.gain.value:.2f}x [{prospect.gain.low:.2f}, {prospect.gain.high:.2f}]"
    figures = (str(figure) if figure else "-" for figure in (prospect.size, prospect.memory, prospect.start))
    past = f"{_percent(prospect.record.median_error)}, {_percent(prospect.record.tenth_error)}"
    return (
        *(prospect.runtime, prospect.arithmetic, str(prospect.threads), str(prospect.latency)),
        *("-" if prospect.gain.low == prospect.gain.high else gain, *figures, past),
    )


def input_words(tensor: Tensor) -> str:
    """`x 1x3x224x224 float32`."""
    shape = "?" if tensor.shape is None else "x".join(map(str, tensor.shape)) or "scalar"
    return f"{tensor.name} {shape} {tensor.dtype}"


def unknown_words(unknown: Mapping[str, int]) -> str:
    """Operators without a count, each with how often it runs."""
    return ", ".join(f"{name} ({times:,}x)" if times > 1 else name for name, times in unknown.items())


def place(row: Row) -> str:
    """The layer where it is known, else the operator's own name."""
    return ".".join(row.layer) or row.name


def _what(change: Change, language: Language) -> str:
    if not change.phase:
        return change.precision
    return text("phase_in", language, phase=known(change.phase, language), precision=change.precision)


def _ends(factor: Figure) -> str:
    low, high = f"{factor.low:.3g}", f"{factor.high:.3g}"
    return low if low == high else f"{low}-{high}"


def _memory(shares: Mapping[str, float]) -> float:
    return sum(share for bound, share in shares.items() if bound.startswith(MEMORY))


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
