"""What the data are, in numbers and in a few sentences: sizes, classes, copies, leaks, and how splits were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.data.digests import row_digests
from sartor.data.rows import what
from sartor.data.sound import rate_of
from sartor.data.values import SPLIT_NAMES, Dataset, Splits

Description = dict[str, Any]
_SHOWN = 6  # classes named in a sentence


def describe(dataset: Dataset, splits: Splits) -> Description:
    """The data report, as plain values.

    Returns:
        rows: of all splits, with those that were dropped.
        kind: images, texts, clips of sound, records or numbers.
        splits: split -> rows.
        classes: class -> {rows, and the rows of each split}; empty without classes.
        sizes: {unit, min, median, p99, max} for what varies (characters, seconds), else {unit, shape}.
        duplicates: inside: split -> rows that repeat an earlier row of that split; labels_differ: rows whose
            copy has another label.
        leaks: rows that stood in select or confirm and also in train (train), or in another split (others). They
            were dropped, so that nothing is judged on them.
        how: how the splits were made.
        notes: what the reader of the source had to say.
    """
    rows = {name: np.asarray(getattr(splits, name)) for name in SPLIT_NAMES}
    digests = row_digests(dataset.inputs)
    _, copy = np.unique(digests, return_inverse=True)
    return {
        "source": dataset.source,
        "rows": len(dataset.inputs),
        "kind": kind_of_rows(dataset),
        "labelled": dataset.labelled,
        "splits": {name: len(numbers) for name, numbers in rows.items()},
        "classes": _classes(dataset, rows),
        "sizes": _sizes(dataset),
        "duplicates": {
            "inside": {name: _repeats(copy[numbers]) for name, numbers in rows.items()},
            "labels_differ": _contradictions(dataset, copy),
        },
        "leaks": _leaks(copy, rows["train"], splits.dropped),
        "how": splits.how,
        "notes": list(dataset.notes),
    }


def lines(description: Mapping[str, Any]) -> list[str]:
    """The report in short sentences, the weightiest first."""
    said = [_first(description)]
    said += _about_classes(description["classes"])
    said += _about_copies(description)
    return [*said, *description["notes"]]


def kind_of_rows(dataset: Dataset) -> str:
    """images, texts, clips of sound, records or numbers."""
    if dataset.inputs.ndim == 4 and any("decode_image" in step for step in dataset.input_steps):
        return "images"
    kind = what(dataset.inputs)
    return "records" if kind.startswith("records") else kind


def _classes(dataset: Dataset, rows: Mapping[str, NDArray[np.int64]]) -> dict[str, dict[str, int]]:
    if not dataset.classes:
        return {}
    size = len(dataset.classes)
    every = {"rows": np.bincount(dataset.labels, minlength=size)}
    every |= {name: np.bincount(dataset.labels[numbers], minlength=size) for name, numbers in rows.items()}
    return {
        name: {where: int(counts[number]) for where, counts in every.items()}
        for number, name in enumerate(dataset.classes)
    }


def _sizes(dataset: Dataset) -> dict[str, Any]:
    kind = kind_of_rows(dataset)
    if kind == "texts":
        return {"unit": "characters", **_spread(np.array([len(text) for text in dataset.inputs]))}
    if kind == "clips of sound":
        rate = rate_of(dataset.input_steps)
        samples = np.array([len(clip) for clip in dataset.inputs])
        unit: dict[str, Any] = {"unit": "s", "rate": rate} if rate else {"unit": "samples"}
        return {**unit, **_spread(samples / (rate or 1))}
    if kind == "records":
        form = dataset.inputs.dtype
        return {"unit": "inputs", "fields": {name: list(form[name].shape) for name in form.names or ()}}
    counted = "channels, height, width" if kind == "images" else "numbers"
    return {"unit": counted, "shape": list(dataset.inputs.shape[1:])}


def _spread(sizes: NDArray[Any]) -> dict[str, float]:
    levels = np.quantile(sizes, [0, 0.5, 0.99, 1], method="inverted_cdf").tolist()
    return dict(zip(("min", "median", "p99", "max"), levels, strict=True))


def _repeats(copy: NDArray[np.int64]) -> int:
    return int(len(copy) - len(np.unique(copy)))


def _contradictions(dataset: Dataset, copy: NDArray[np.int64]) -> int:
    """Rows of which a copy has another label: no model can be right on all of them."""
    if not dataset.labelled:
        return 0
    _, first = np.unique(copy, return_index=True)
    other = dataset.labels != dataset.labels[first][copy]
    return int(np.isin(copy, copy[other]).sum())


def _leaks(copy: NDArray[np.int64], train: NDArray[np.int64], dropped: NDArray[np.int64]) -> dict[str, int]:
    from_train = int(np.isin(copy[dropped], copy[train]).sum())
    return {"train": from_train, "others": len(dropped) - from_train}


def _first(description: Mapping[str, Any]) -> str:
    sizes, count = description["sizes"], f"{description['rows']:,}"
    noun = {"numbers": "rows"}.get(description["kind"], description["kind"])
    if "min" in sizes:
        low, half, most, high = (f"{sizes[name]:.3g}" for name in ("min", "median", "p99", "max"))
        at = f" at {sizes['rate']} Hz" if sizes.get("rate") else ""
        return f"{count} {noun}{at} of {low} to {high} {sizes['unit']}; half have up to {half}, 99% up to {most}"
    if "fields" in sizes:
        return f"{count} {noun} of {', '.join(sizes['fields'])}"
    shape = " x ".join(map(str, sizes["shape"]))
    return f"{count} {noun} of {shape}" + ("" if description["kind"] == "images" else " numbers")


def _about_classes(classes: Mapping[str, Mapping[str, int]]) -> list[str]:
    if not classes:
        return []
    counts = {name: entry["rows"] for name, entry in classes.items()}
    if len(set(counts.values())) == 1:
        return [f"{len(counts)} classes of {next(iter(counts.values())):,} rows each"]
    largest = sorted(counts.items(), key=lambda entry: -entry[1])
    if len(counts) <= _SHOWN:
        return [f"{len(counts)} classes: " + ", ".join(f"{name} ({count:,})" for name, count in largest)]
    (most, high), (least, low) = largest[0], largest[-1]
    return [f"{len(counts)} classes, from {least} with {low:,} rows to {most} with {high:,}"]


def _about_copies(description: Mapping[str, Any]) -> list[str]:
    said = []
    leaks, duplicates = description["leaks"], description["duplicates"]
    if leaks["train"]:
        said.append(f"{leaks['train']:,} rows of select or confirm also stood in train: they were left out")
    if leaks["others"]:
        said.append(f"{leaks['others']:,} rows of confirm also stood in calibrate or select: they were left out")
    inside = {name: count for name, count in duplicates["inside"].items() if count}
    if inside:
        said.append("rows that repeat an earlier one: " + ", ".join(f"{n:,} in {name}" for name, n in inside.items()))
    if duplicates["labels_differ"]:
        said.append(f"{duplicates['labels_differ']:,} rows have a copy with another label")
    return said
