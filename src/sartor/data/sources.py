"""Open a data source: one table, form of the source -> the function that reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sartor.data.callables import is_callable_target
from sartor.data.clean import Asked, clean
from sartor.data.reading import Reading, reading_of
from sartor.data.rows import Rows, join
from sartor.data.sources_arrays import read_npz
from sartor.data.sources_builtin import BUILTIN
from sartor.data.sources_callables import read_callable
from sartor.data.sources_idx import is_idx_folder, read_idx_folder
from sartor.data.sources_images import read_images
from sartor.data.sources_sounds import read_sounds
from sartor.data.sources_tables import read_table
from sartor.data.table_files import TABLES
from sartor.data.trees import IMAGES, SOUNDS, Tree, read_folder, read_tar
from sartor.data.values import Dataset
from sartor.errors import DataError, nearest
from sartor.steps.images import DecodeImage

if TYPE_CHECKING:
    from sartor.need import DataSpec

FileReader = Callable[[Path, Reading], Rows]

_COLUMNS: dict[str, FileReader] = {**dict.fromkeys(TABLES, read_table), ".npz": read_npz}
_FILES = (*sorted(_COLUMNS), ".tar")
_FORMS = (
    f"a built-in name ({', '.join(BUILTIN)}), a file ({', '.join(_FILES)}), "
    "a folder of images, WAV or idx files, or package.module:function"
)


def open_data(
    spec: DataSpec,
    task: str,
    base: Path,
    framing: DecodeImage | None = None,
    *,
    image_mode: str | None = None,
    audio_rate: int | None = None,
    labelled: bool = True,
    model_classes: tuple[str, ...] = (),
) -> Dataset:
    """Read and check the rows that a Need names.

    Sources: `digits`, `breast-cancer`; `.csv`, `.tsv`, `.jsonl`, `.parquet` with columns of numbers or of texts;
    `.npz`; a folder or `.tar` of images or WAV files in class folders; a folder of idx files;
    `package.module:function` returning (inputs, labels). With `select`, `confirm` or `calibrate`, those are splits
    of their own and `source` holds the rest.

    Args:
        spec: the part `data:` of a Need.
        task: the Need's task.
        base: folder that relative paths start from.
        framing: how image files are brought to one size (its mode does not count); needed if they differ in size.
        image_mode: `RGB` or `L`, which image files are brought to; None for grey if all are grey, else colour.
        audio_rate: samples a second that sound is brought to; needed if clips differ in it.
        labelled: whether labels are wanted. Without them, columns for labels are left out of the features and
            folders may hold their files in any way.
        model_classes: the model's own class names, used like `labels:` if they cover the labels.

    Raises:
        DataError: missing, empty, NaN or infinity, one class only, lengths that differ, too many files that cannot
            be read, several sample rates, or labels that do not match the task or `labels:`.
        InputError: a callable that does not exist.
        MissingExtraError: .parquet without pyarrow.
        UserCodeError: the user's callable raised.
    """
    reading = reading_of(spec, task, labelled, framing, image_mode, audio_rate)
    named = {name: getattr(spec, name) for name in ("calibrate", "select", "confirm")}
    named = {name: source for name, source in named.items() if source is not None}
    rows = _read(spec.source, reading, base)
    if named:
        rows = _joined(rows, spec.source, named, reading, base)
    return clean(rows, Asked(spec.source, task, spec.labels, model_classes, reading.labelled))


def _joined(rows: Rows, source: str, named: dict[str, str], reading: Reading, base: Path) -> Rows:
    if rows.given:
        raise DataError(
            f"{source} brings the splits {', '.join(rows.given)}, and {', '.join(named)} was named too",
            "splits in the source, or named one by one",
            "leave out the named ones, or name a source without splits",
        )
    # Splits that are not named are made out of `source` later, which then gives up some of its rows.
    reading = replace(reading, framing=reading.framing or _framing(rows))
    parts = [(name, _read(other, reading, base)) for name, other in named.items()]
    return join([("train", rows), *parts])


def _framing(rows: Rows) -> DecodeImage | None:
    return next((DecodeImage.read(step["decode_image"]) for step in rows.input_steps if "decode_image" in step), None)


def _read(source: str, reading: Reading, base: Path) -> Rows:
    name = source.replace("_", "-")
    if name in BUILTIN:
        _check_unnamed(source, reading)
        return BUILTIN[name]()
    path = base / Path(source).expanduser()
    if path.is_dir():
        _check_unnamed(source, reading)
        return read_idx_folder(path) if is_idx_folder(path) else _read_tree(read_folder(path), reading)
    if path.exists():
        return _read_file(path, reading)
    if is_callable_target(source):
        _check_unnamed(source, reading)
        return read_callable(source, base, reading)
    raise DataError(
        f"data `{source}`: no such file or folder in {base}",
        _FORMS,
        nearest(name, BUILTIN) or "check the path; it starts from the folder of the Need",
    )


def _read_file(path: Path, reading: Reading) -> Rows:
    suffix = path.suffix.lower()
    if suffix == ".tar":
        _check_unnamed(path.name, reading)
        return _read_tree(read_tar(path), reading)
    if suffix not in _COLUMNS:
        raise DataError(f"data `{path.name}`: files of type `{suffix}` are not read", _FORMS, nearest(suffix, _FILES))
    return _COLUMNS[suffix](path, reading)


def _read_tree(tree: Tree, reading: Reading) -> Rows:
    """By what it holds: sound where the task is on sound, or where there are no images."""
    sounds = tree.has(SOUNDS) and (reading.task == "audio-classification" or not tree.has(IMAGES))
    return read_sounds(tree, reading) if sounds else read_images(tree, reading)


def _check_unnamed(source: str, reading: Reading) -> None:
    """A name that would be ignored silently is an error."""
    given = {"input": reading.names, "label": reading.label, "group": reading.group}
    named = [key for key, value in given.items() if value]
    if named:
        raise DataError(
            f"`{', '.join(named)}` for {source}, which has no named columns",
            f"names of columns in {', '.join(sorted(TABLES))}, of arrays in .npz",
            f"leave out {', '.join(named)}",
        )
