"""A part's TOML file: read, checked key by key, and every mistake told in one clear error."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from sartor.errors import InputError, nearest
from sartor.figures import Figure, Source
from sartor.machine.part import DTYPES, KINDS, Kind, Origin, Part, ScaleUp
from sartor.units import parse

# The tables of a file, the file itself being the first, with the figures of each and their base units ...
_FIGURES: dict[str, dict[str, str]] = {
    "": {"tdp": "W"},
    "peak": dict.fromkeys(DTYPES, "FLOP/s"),
    "memory": {"size": "B", "bandwidth": "B/s"},
    "scale_up": {"bandwidth": "B/s", "pair": "B/s"},
    "host": {"bandwidth": "B/s"},
    "measured": dict.fromkeys(DTYPES, "FLOP/s"),
    "price": {"per_hour": "USD/h"},
}
# ... and what else stands there.
_OTHERS = {
    "": ("name", "aliases", "vendor", "kind", *filter(None, _FIGURES)),
    "memory": ("type",),
    "scale_up": ("type", "devices"),
}
_CITED = ("source", "note")
_BASES = ("published", "measured", "assumed")
_EXAMPLES = {"FLOP/s": "989 TFLOP/s", "B": "80 GB", "B/s": "3350 GB/s", "W": "700 W", "USD/h": "4.5 USD/h"}
_DENSE = 'peaks are dense; note a sparse one beside it: { value = "989 TFLOP/s", sparse = "1979 TFLOP/s" }'
_FOUND = "where the figures were found"


@dataclass(frozen=True)
class _Table:
    """One table of a file with its place in it, and the source that holds where a figure names none."""

    values: Mapping[str, Any]
    file: str
    place: str = ""
    source: str = ""

    def named(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def wrong(self, key: str, what: str, allowed: str, hint: str = "") -> NoReturn:
        raise InputError(f"`{self.named(key)}` in {self.file} {what}", allowed, hint)


def read_part(path: Path) -> Part:
    """Read a part's file; its name without the ending becomes the part's id.

    Raises:
        InputError: the file cannot be read, is no TOML, or a key of it is missing, unknown or wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InputError(f"{path} cannot be read: {reason}", "a TOML file that describes a part") from error
    return parse_part(text, path.stem.lower(), str(path))


def parse_part(text: str, id: str, file: str) -> Part:
    """The part that a TOML text describes; `file` is how errors call it.

    Raises:
        InputError: the text is no TOML, or a key of it is missing, unknown or wrong.
    """
    try:
        top = _Table(tomllib.loads(text), file)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file} is no TOML: {error}", "a TOML file that describes a part") from error
    tables = {place: _table(top, place) for place in _FIGURES}
    cited = {name: found for table in tables.values() for name, found in _cited(table).items()}
    figures = {name: figure for name, (figure, _) in cited.items()}
    return Part(
        id=id,
        name=_text(top, "name"),
        aliases=_aliases(top),
        vendor=_text(top, "vendor"),
        kind=cast("Kind", _one_of(top, "kind", KINDS)),
        peaks=_peaks(top, figures),
        memory=_required(tables["memory"], "size", figures),
        bandwidth=_required(tables["memory"], "bandwidth", figures),
        memory_type=_text(tables["memory"], "type", ""),
        tdp=figures.get("tdp"),
        measured=_under("measured", figures),
        scale_up=_scale_up(tables["scale_up"], figures),
        host=figures.get("host.bandwidth"),
        price=figures.get("price.per_hour"),
        source=_text(top, "source"),
        note=_text(top, "note", ""),
        origins={name: origin for name, (_, origin) in cited.items()},
    )


def _table(top: _Table, place: str) -> _Table:
    """A table of the file, empty where it is left out, every key of it known."""
    values = top.values.get(place, {}) if place else top.values
    if not isinstance(values, dict):
        top.wrong(place, f"is `{values}`", f"a table [{place}]")
    table = _Table(values, top.file, place)
    known = (*_OTHERS.get(place, ()), *_FIGURES[place], *_CITED)
    _check_keys(table, known, _DENSE if place == "peak" else "")
    return _Table(values, top.file, place, _text(table, "source", _text(top, "source")))


def _check_keys(table: _Table, known: tuple[str, ...], hint: str = "") -> None:
    for key in table.values:
        if key not in known:
            hints = " ".join(filter(None, (nearest(key, known), hint)))
            table.wrong(key, "is not known", ", ".join(known), hints)


def _text(table: _Table, key: str, default: str | None = None) -> str:
    """A text; without a default one that must be there and say something."""
    allowed = _FOUND if key == "source" else "a text"
    text = table.values.get(key, default)
    if text is None:
        table.wrong(key, "is missing", allowed)
    if not isinstance(text, str) or (default is None and not text.strip()):
        table.wrong(key, f"is `{text}`", allowed)
    return text


def _one_of(table: _Table, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    word = _text(table, key, default)
    if word not in allowed:
        table.wrong(key, f"is `{word}`", ", ".join(allowed), nearest(word, allowed))
    return word


def _aliases(top: _Table) -> tuple[str, ...]:
    aliases = top.values.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        top.wrong("aliases", f"is `{aliases}`", 'a list of texts, such as ["h100", "h100-sxm5"]')
    return tuple(aliases)


def _under(place: str, figures: Mapping[str, Figure]) -> dict[str, Figure]:
    """The figures of one table by their keys in it."""
    return {key: figures[f"{place}.{key}"] for key in _FIGURES[place] if f"{place}.{key}" in figures}


def _peaks(top: _Table, figures: Mapping[str, Figure]) -> dict[str, Figure]:
    peaks = _under("peak", figures)
    if not peaks:
        top.wrong("peak", "names no rate", f"a table [peak] with at least one of {', '.join(DTYPES)}", _DENSE)
    return peaks


def _required(table: _Table, key: str, figures: Mapping[str, Figure]) -> Figure:
    if table.named(key) not in figures:
        example = _EXAMPLES[_FIGURES[table.place][key]]
        table.wrong(key, "is missing", f'a number with its unit, such as "{example}"')
    return figures[table.named(key)]


def _scale_up(table: _Table, figures: Mapping[str, Figure]) -> ScaleUp | None:
    if not table.values:
        return None
    devices = table.values.get("devices")
    if devices is not None and (type(devices) is not int or devices < 1):
        table.wrong("devices", f"is `{devices}`", "a whole number from 1")
    return ScaleUp(_text(table, "type"), figures.get("scale_up.bandwidth"), figures.get("scale_up.pair"), devices)


def _cited(table: _Table) -> dict[str, tuple[Figure, Origin]]:
    """The figures of a table with their origins, by their names in the file."""
    written = {key: table.values[key] for key in _FIGURES[table.place] if key in table.values}
    return {table.named(key): _figure(table, key, value) for key, value in written.items()}


def _figure(table: _Table, key: str, written: object) -> tuple[Figure, Origin]:
    """A figure written as "80 GB", or as a table with its own source, note, basis and, for a peak, sparse rate."""
    unit = _FIGURES[table.place][key]
    basis = "measured" if table.place == "measured" else "published"
    note = _text(table, "note", "") if table.place else ""  # the file's own note is the part's
    if not isinstance(written, dict):
        return _exactly(_number(table, key, written, unit), unit, basis), Origin(table.source, note)
    own = _Table(written, table.file, table.named(key))
    _check_keys(own, ("value", *(("sparse",) if table.place == "peak" else ()), "basis", *_CITED))
    value = _number(own, "value", written.get("value"), unit)
    notes = " ".join(filter(None, (_text(own, "note", ""), note)))
    origin = Origin(_text(own, "source", table.source), notes, _sparse(own, value))
    return _exactly(value, unit, _one_of(own, "basis", _BASES, basis)), origin


def _exactly(value: float, unit: str, basis: str) -> Figure:
    return Figure(value, unit, value, value, cast("Source", basis))


def _sparse(peak: _Table, dense: float) -> Figure | None:
    written = peak.values.get("sparse")
    if written is None:
        return None
    rate = _number(peak, "sparse", written, "FLOP/s")
    if rate <= dense:
        peak.wrong("sparse", f"is `{written}`, not above its dense `value`", "more than `value`", _DENSE)
    return _exactly(rate, "FLOP/s", "published")


def _number(table: _Table, key: str, written: object, unit: str) -> float:
    """A number above zero in its base unit, from a text that names the unit."""
    allowed = f'a number above zero with its unit, such as "{_EXAMPLES[unit]}"'
    hint = _DENSE if table.place.split(".")[0] == "peak" else ""
    if written is None:
        table.wrong(key, "is missing", allowed, hint)
    if not isinstance(written, str):
        table.wrong(key, f"is `{written}`, without a unit", allowed, hint)
    try:
        quantity = parse(written)
    except ValueError:
        table.wrong(key, f"is `{written}`", allowed, hint)
    if quantity.unit != unit or quantity.value <= 0:
        table.wrong(key, f"is `{written}`", allowed, hint)
    return quantity.value
