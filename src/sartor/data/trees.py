"""Folders and archives of files as one value: which files there are, in which folders, split and class.

Layouts, for a folder as for a .tar: `<class>/file`, or `train/<class>/file` with a folder for each split;
without labels any layout, with or without folders of splits.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.errors import DataError

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
SOUNDS = (".wav",)
# What a split may be called, the house's word first.
SPLIT_WORDS: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "calibrate": ("calibrate", "calibration"),
    "select": ("select", "val", "valid", "validation", "dev"),
    "confirm": ("confirm", "test"),
}
_SPLIT_OF = {word: split for split, words in SPLIT_WORDS.items() for word in words}
_SHOWN = 3


@dataclass(frozen=True)
class File:
    """One file: where it stands below the source, and its path or its bytes (out of an archive)."""

    parts: tuple[str, ...]
    content: Path | bytes

    @property
    def name(self) -> str:
        """As a user would find it below the source."""
        return "/".join(self.parts)

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            OSError: it cannot be read.
        """
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    @property
    def suffix(self) -> str:
        """In lower case, with its dot."""
        return Path(self.parts[-1]).suffix.lower()


@dataclass(frozen=True)
class Tree:
    """Files in their order, and every folder, the empty ones too; hidden ones are left out."""

    source: str
    files: tuple[File, ...]
    folders: frozenset[tuple[str, ...]]

    def has(self, suffixes: Sequence[str]) -> bool:
        """Whether a file has one of these suffixes."""
        return any(file.suffix in suffixes for file in self.files)


@dataclass(frozen=True)
class Placed:
    """Files of one kind with the split (empty without splits) and the class (empty without labels) of each.

    `notes` says which other files were passed over.
    """

    files: tuple[File, ...]
    splits: tuple[str, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...]

    def given(self, kept: Sequence[int]) -> dict[str, NDArray[np.int64]]:
        """Row numbers of each split, when only the files `kept` become rows."""
        rows = np.array([self.splits[number] for number in kept], dtype=np.str_)
        names = dict.fromkeys(split for split in self.splits if split)
        return {name: np.flatnonzero(rows == name).astype(np.int64) for name in names}


def read_folder(folder: Path) -> Tree:
    """Every file below a folder; links are followed as the system does."""
    paths = [path for path in folder.rglob("*") if not _hidden(path.relative_to(folder).parts)]
    files = [File(path.relative_to(folder).parts, path) for path in paths if path.is_file()]
    folders = frozenset(path.relative_to(folder).parts for path in paths if path.is_dir())
    return Tree(str(folder), _sorted(files), folders)


def read_tar(path: Path) -> Tree:
    """Every image and sound in an archive, straight from it: nothing is unpacked to disk.

    Raises:
        DataError: no archive, or one that is cut off.
    """
    files, folders = list[File](), set[tuple[str, ...]]()
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                parts = tuple(part for part in member.name.split("/") if part not in ("", "."))
                if not parts or _hidden(parts):
                    continue
                if member.isdir():
                    folders.add(parts)
                elif member.isfile():
                    files.append(File(parts, _content(archive, member)))
    except (tarfile.TarError, OSError, EOFError, zlib.error) as reason:
        raise DataError(f"{path.name} cannot be read: {reason}", "a .tar of folders", "fetch it again") from None
    folders |= {file.parts[:depth] for file in files for depth in range(1, len(file.parts))}
    return Tree(path.name, _sorted(files), frozenset(folders))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Files of other kinds are only named in a note, so their bytes are not needed."""
    if Path(member.name).suffix.lower() not in IMAGES + SOUNDS:
        return b""
    opened = archive.extractfile(member)
    return opened.read() if opened else b""


def _hidden(parts: Sequence[str]) -> bool:
    return any(part.startswith(".") for part in parts)


def _sorted(files: list[File]) -> tuple[File, ...]:
    return tuple(sorted(files, key=lambda file: file.parts))


def place(tree: Tree, suffixes: Sequence[str], what: str, labelled: bool) -> Placed:
    """Files with one of the suffixes, each with its split and class.

    A class may be called `train` (beside bus and car), so folders are splits only if all of them are named after
    splits and hold folders themselves. A single folder around everything, as archives have it, is looked into.

    Args:
        what: the files in a word, such as `images`.

    Raises:
        DataError: none of the suffixes, no class folders, or a class folder without such files.
    """
    files = [file for file in tree.files if file.suffix in suffixes]
    if not files and not labelled:
        raise DataError(f"{tree.source} holds no {what}", ", ".join(suffixes), "check the source")
    top = _around(tree, files, labelled)
    depth = len(top) + 1 if _names_splits(tree, files, top, labelled) else len(top)
    if labelled:
        _check_classes(tree, files, depth, what, suffixes)
    split = [_SPLIT_OF[file.parts[depth - 1].lower()] if depth > len(top) else "" for file in files]
    labels = [file.parts[depth] if labelled else "" for file in files]
    return Placed(tuple(files), tuple(split), tuple(labels), _passed_over(tree, suffixes, what))


def _inside(tree: Tree, top: tuple[str, ...], deeper: int = 1) -> list[tuple[str, ...]]:
    """The folders so many levels below `top`."""
    level = len(top) + deeper
    return sorted(parts for parts in tree.folders if len(parts) == level and parts[: len(top)] == top)


def _around(tree: Tree, files: Sequence[File], labelled: bool) -> tuple[str, ...]:
    """The folders around everything, one in the other, that say nothing about a file."""
    top: tuple[str, ...] = ()
    shallowest = min((len(file.parts) for file in files), default=0)
    while len(inside := _inside(tree, top)) == 1 and inside[0][-1].lower() not in _SPLIT_OF:
        if shallowest <= len(top) + 1 + labelled:
            break
        top = inside[0]
    return top


def _names_splits(tree: Tree, files: Sequence[File], top: tuple[str, ...], labelled: bool) -> bool:
    inside = _inside(tree, top)
    splits = [_SPLIT_OF.get(parts[-1].lower(), "") for parts in inside]
    if "train" not in splits or "" in splits or len(set(splits)) < len(splits):
        return False
    if labelled:
        return all(_inside(tree, parts) for parts in inside)
    return all(len(file.parts) > len(top) + 1 for file in files)


def _check_classes(tree: Tree, files: Sequence[File], depth: int, what: str, suffixes: Sequence[str]) -> None:
    layout = "folder/<class>/file, or folder/train/<class>/file (also select, confirm)"
    classes = sorted(parts for parts in tree.folders if len(parts) == depth + 1)
    if not classes:
        raise DataError(f"{tree.source} has no class folders", layout, f"put the {what} of each class in a folder")
    loose = next((file.name for file in files if len(file.parts) < depth + 2), None)
    if loose:
        raise DataError(f"{loose} in {tree.source} stands in no class folder", layout, "move it into one, or away")
    filled = {file.parts[: depth + 1] for file in files}
    empty = next((parts for parts in classes if parts not in filled), None)
    if empty:
        raise DataError(
            f"{'/'.join(empty)} in {tree.source} holds no {what}",
            f"{layout}; {', '.join(suffixes)}",
            "remove the empty folder, or convert its files",
        )


def _passed_over(tree: Tree, suffixes: Sequence[str], what: str) -> tuple[str, ...]:
    others = [file.name for file in tree.files if file.suffix not in suffixes]
    if not others:
        return ()
    shown = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
    return (f"{len(others)} files that are no {what} were passed over: {shown}",)
