"""What `inspect` runs on the terminal: one or two models on one or two machines, in print, as a page, as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from sartor.cli.running import print_json, wide_console
from sartor.cost.graph import Graph
from sartor.cost.precision import PRECISIONS
from sartor.cost.transformer import Transformer
from sartor.errors import InputError, OutputError, nearest
from sartor.machine.calibration import Calibration
from sartor.plan.inspection import Inspection, Target

_LENGTH = 1024  # tokens of a language model's prompt, where nothing is said
_NUMBER = re.compile(r"\d+")
_SHAPE = re.compile(r"\d+(x\d+)*")
_UNCALIBRATED = "times are the roofline's; `sartor probe --calibrate` learns this machine's own, in minutes"
_UNKNOWN_MACHINE = "No profile of this machine: `sartor probe` makes one in minutes. Until then, counts without times."


@dataclass(frozen=True)
class Asked:
    """The options as they were typed."""

    inputs: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    batch: int | None = None
    length: int | None = None
    on: str | None = None
    precision: str | None = None
    against: str | None = None
    against_on: str | None = None

    def size_of(self) -> dict[str, int]:
        """Sizes by name of dimension.

        Raises:
            InputError: one that is no `name=number`, or is given twice.
        """
        given = [*self.sizes]
        given += [f"batch={self.batch}"] if self.batch is not None else []
        given += [f"length={self.length}"] if self.length is not None else []
        pairs = [_pair(text, _NUMBER, "--size batch=8") for text in given]
        return {name: int(value) for name, value in _once(pairs)}

    def shape_of(self) -> dict[str, tuple[int, ...]]:
        """Whole shapes by name of input.

        Raises:
            InputError: one that is no `name=1x3x224x224`, or is given twice.
        """
        pairs = [_pair(text, _SHAPE, "--input x=1x3x224x224") for text in self.inputs]
        return {name: tuple(int(size) for size in value.split("x")) for name, value in _once(pairs)}


def inspect_models(model: str, asked: Asked, *, top: int, output: Path | None, as_json: bool) -> int:
    """Inspect a model, print what was found, and give the exit code.

    Raises:
        InputError: options that contradict each other, a model that cannot be opened, an unknown machine.
        OutputError: the page cannot be written.
    """
    _check(asked, output)
    found = [_inspected(model, asked)]
    if asked.against is not None:
        found.append(_inspected(asked.against, asked))
    elif asked.against_on is not None:
        found.append(_inspected(model, replace(asked, on=asked.against_on)))
    if output is not None:
        from sartor.report.inspect_page import write_inspection

        write_inspection(found, output)
    if as_json:
        other = found[1].as_dict() if len(found) > 1 else None
        print_json({**found[0].as_dict(), "against": other, "page": None if output is None else str(output)})
        return 0
    from sartor.report.inspect_terminal import print_inspections

    console = wide_console()
    print_inspections(console, found, top)
    if output is not None:
        console.print(f"Page: {output}", soft_wrap=True, markup=False, highlight=False)
    return 0


def _check(asked: Asked, output: Path | None) -> None:
    if asked.against is not None and asked.against_on is not None:
        raise InputError("--against and --against-on", "one of them: two models, or two machines")
    if asked.precision is not None and asked.precision not in PRECISIONS:
        raise InputError(f"--precision {asked.precision}", ", ".join(PRECISIONS), nearest(asked.precision, PRECISIONS))
    if output is not None and not output.resolve().parent.is_dir():
        raise OutputError(f"no folder {output.resolve().parent}", "a page in a folder that exists")
    if output is not None and output.is_dir():
        raise OutputError(f"{output} is a folder", "the path of a page, such as page.html")


def _inspected(model: str, asked: Asked) -> Inspection:
    from sartor.fit.inspected import config_dtype, read_model

    sizes = asked.size_of()
    read = read_model(model, sizes, asked.shape_of())
    if isinstance(read, Graph):
        return _of_graph(read, model, asked)
    return _of_transformer(read, model, asked, sizes, asked.precision or config_dtype(model))


def _of_graph(graph: Graph, model: str, asked: Asked) -> Inspection:
    from sartor.fit.inspected import file_bytes
    from sartor.plan.inspect import inspect

    target, notes = _target(asked.on, asked.precision, "float32")
    calibration, why_not = _calibration(asked.on, target)
    notes += why_not
    found = inspect(graph, target, asked.precision or "", _short(model), calibration, file_bytes(model, graph))
    return replace(found, notes=(*found.notes, *notes))


def _of_transformer(
    transformer: Transformer, model: str, asked: Asked, sizes: dict[str, int], dtype: str
) -> Inspection:
    from sartor.plan.inspect_transformer import inspect_transformer

    unknown = [name for name in sizes if name not in ("batch", "length")]
    if unknown or asked.inputs:
        raise InputError(f"{unknown[0] if unknown else asked.inputs[0]} for a language model", "--batch and --length")
    target, notes = _target(asked.on, asked.precision, dtype)
    batch, length = sizes.get("batch", 1), sizes.get("length", _LENGTH)
    found = inspect_transformer(transformer, _short(model), batch, length, dtype, target)
    return replace(found, notes=(*found.notes, *notes))


def _target(on: str | None, precision: str | None, usual: str) -> tuple[Target | None, tuple[str, ...]]:
    """The machine, and what must be said if there is none.

    Args:
        usual: element type that most is computed in where no precision is asked for.
    """
    from sartor.fit.inspected import part_target, this_target

    if on is not None:
        return part_target(on, precision or usual), ()
    target, why_not = this_target()
    if target is None:
        return None, (_UNKNOWN_MACHINE, *([why_not] if why_not else []))
    if precision is not None and precision not in target.roofs.flop_per_second:
        measured = ", ".join(target.roofs.flop_per_second)
        raise InputError(f"no rate in {precision} was measured here", measured, "sartor probe shows what was measured")
    return target, ()


def _calibration(on: str | None, target: Target | None) -> tuple[Calibration | None, tuple[str, ...]]:
    """What predicts for this machine, and what must be said where nothing does."""
    from sartor.fit.inspected import this_calibration

    if on is not None or target is None:
        return None, ()
    found = this_calibration()
    if found.calibration is not None and found.calibration.efficiencies:
        return found.calibration, ()
    return None, (found.why_not or _UNCALIBRATED,)


def _short(model: str) -> str:
    """The name in headings: of a file its own, of a config that of its folder."""
    path = Path(model)
    if path.name == "config.json":
        return path.resolve().parent.name
    return path.name if path.exists() else model


def _pair(text: str, form: re.Pattern[str], example: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in text.rpartition("="))
    if not name or not equals or not form.fullmatch(value):
        raise InputError(f"`{text}`", "name=sizes, whole numbers", example)
    return name, value


def _once(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise InputError(f"`{name}` is {found[name]} and {value}", "each name once")
    return list(found.items())
