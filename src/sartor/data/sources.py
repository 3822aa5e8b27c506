"""Open a data source: one table, form of the source -> the function that reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sartor.data.callables import call_user, is_callable_target, load_callable
from sartor.data.clean import clean
from sartor.data.rows import Rows, join
from sartor.data.sources_arrays import read_npz
from sartor.data.sources_builtin import BUILTIN
from sartor.data.sources_folders import read_image_folder
from sartor.data.sources_idx import is_idx_folder, read_idx_folder
from sartor.data.sources_tables import read_table
from sartor.data.values import Dataset
from sartor.errors import DataError, nearest

if TYPE_CHECKING:
    from sartor.need import DataSpec

ImageSize = tuple[int, int]  # height, width
FileReader = Callable[[Path, "DataSpec"], Rows]

_FILES: dict[str, FileReader] = {".csv": read_table, ".npz": read_npz, ".tsv": read_table}
_FORMS = (
    f"a built-in name ({', '.join(BUILTIN)}), a file ({', '.join(_FILES)}), "
    "a folder of images or idx files, or package.module:function"
)


def open_data(spec: DataSpec, task: str, base: Path, image_size: ImageSize | None = None) -> Dataset:
    """Read and check the rows that a Need names.

    Sources: `digits`, `breast-cancer`, `.npz`, `.csv`, `.tsv`, a folder of images in class folders, a
    folder of idx files, `package.module:function` returning (inputs, labels). With `select`, `confirm`
    or `calibrate`, those are splits of their own and `source` holds the rest.

    Args:
        spec: the part `data:` of a Need.
        task: the Need's task.
        base: folder that relative paths start from.
        image_size: (height, width) that image files are brought to; needed if they differ in size.

    Raises:
        DataError: missing, empty, NaN or infinity, one class only, lengths that differ, or labels that
            do not match the task or `labels:`.
        InputError: a callable that does not exist.
        UserCodeError: the user's callable raised.
    """
    extra = {name: getattr(spec, name) for name in ("calibrate", "select", "confirm")}
    extra = {name: source for name, source in extra.items() if source is not None}
    rows = _read(spec.source, spec, base, image_size)
    if extra:
        rows = _joined(rows, spec, extra, base, image_size)
    return clean(rows, task, spec.labels, spec.source)


def _joined(rows: Rows, spec: DataSpec, extra: dict[str, str], base: Path, image_size: ImageSize | None) -> Rows:
    if rows.given:
        raise DataError(
            f"{spec.source} brings the splits {', '.join(rows.given)}, and {', '.join(extra)} was named too",
            "splits in the source, or named one by one",
            "leave out the named ones, or name a source without splits",
        )
    # Splits that are not named are made out of `source` later, which then gives up some of its rows.
    parts = [("train", rows)]
    size = image_size or _image_size(rows)
    parts += [(name, _read(source, spec, base, size)) for name, source in extra.items()]
    return join(parts)


def _image_size(rows: Rows) -> ImageSize | None:
    shape = rows.inputs.shape
    return (shape[2], shape[3]) if rows.input_steps else None


def _read(source: str, spec: DataSpec, base: Path, image_size: ImageSize | None) -> Rows:
    name = source.replace("_", "-")
    if name in BUILTIN:
        _check_unnamed(source, spec)
        return BUILTIN[name]()
    path = base / Path(source).expanduser()
    if path.is_dir():
        _check_unnamed(source, spec)
        return read_idx_folder(path) if is_idx_folder(path) else read_image_folder(path, image_size)
    if path.exists():
        return _read_file(path, spec)
    if is_callable_target(source):
        _check_unnamed(source, spec)
        return _read_callable(source, base)
    raise DataError(
        f"data `{source}`: no such file or folder in {base}",
        _FORMS,
        nearest(name, BUILTIN) or "check the path; it starts from the folder of the Need",
    )


def _read_file(path: Path, spec: DataSpec) -> Rows:
    suffix = path.suffix.lower()
    if suffix not in _FILES:
        raise DataError(f"data `{path.name}`: files of type `{suffix}` are not read", _FORMS, nearest(suffix, _FILES))
    return _FILES[suffix](path, spec)


def _check_unnamed(source: str, spec: DataSpec) -> None:
    """A name that would be ignored silently is an error."""
    named = [key for key in ("input", "label", "group") if getattr(spec, key) is not None]
    if named:
        raise DataError(
            f"`{', '.join(named)}` for {source}, which has no named columns",
            "names of columns in .csv and .tsv, of arrays in .npz",
            f"leave out {', '.join(named)}",
        )


def _read_callable(target: str, base: Path) -> Rows:
    given = call_user(target, load_callable(target, base))
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        came = f"{len(given)} values" if isinstance(given, (tuple, list)) else f"a {type(given).__name__}"
        raise DataError(f"`{target}` returned {came}", "(inputs, labels)", "return both as arrays")
    try:
        inputs, labels = np.asarray(given[0]), np.asarray(given[1])
    except (ValueError, TypeError) as reason:
        raise DataError(
            f"`{target}` returned rows that do not form an array: {reason}",
            "rows of one shape",
            "pad or cut them",
        ) from None
    return Rows(inputs, labels)
