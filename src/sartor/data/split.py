"""Divide rows into train, calibrate, select and confirm: given splits are kept, the others are made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sartor.data.allot import allot_groups, allot_rows
from sartor.data.digests import row_digests, rows_hash
from sartor.data.values import SPLIT_NAMES, Dataset, Splits
from sartor.errors import DataError

Rows = NDArray[np.int64]
SHARES = {"train": 55, "calibrate": 5, "select": 20, "confirm": 20}
# Calibration only needs the range of the inputs; the others need every class.
_NEED_EVERY_CLASS = ("train", "select", "confirm")


def make_splits(dataset: Dataset, *, trains: bool, seed: int) -> Splits:
    """Rows of each split; the same for the same rows and seed.

    Given splits are kept. Missing ones are made out of all other rows (a given `train` included) in
    proportion 55/5/20/20, stratified by class, with rows of one group together. Without training,
    nothing goes to train and its share is divided over the splits that are made. Rows of confirm that
    also stand, input by input, in another split are dropped, and so are rows of select that stand in train.

    The rows of a split come in a random order: much is learnt from its first few hundred rows alone, and sources give
    their rows class by class as often as not. Hashes do not depend on that order.

    Raises:
        DataError: a split that would be empty, a class with too few rows, a group that stands in two
            given splits.
    """
    splits = {name: np.sort(rows) for name, rows in dataset.given.items() if name != "train"}
    pool = np.setdiff1d(np.arange(len(dataset.labels)), _together(list(splits.values())))
    _check_groups(dataset, {**splits, "the rest": pool})
    missing = [name for name in SPLIT_NAMES if name not in splits and (trains or name != "train")]
    splits |= _made(dataset, pool, missing, seed)
    splits.setdefault("train", pool[:0])
    kept, dropped = _without_copies(dataset, splits)
    _check_filled(kept, splits, trains)
    random = np.random.default_rng(seed)
    mixed = {name: random.permutation(kept[name]) for name in SPLIT_NAMES}
    return Splits(
        train=mixed["train"],
        calibrate=mixed["calibrate"],
        select=mixed["select"],
        confirm=mixed["confirm"],
        dropped=_together([*dropped.values()]),
        hashes={name: rows_hash(dataset.inputs, dataset.labels, kept[name]) for name in SPLIT_NAMES},
        how=_how(dataset, missing, trains, seed, dropped),
    )


def _together(parts: list[Rows]) -> Rows:
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)


def _made(dataset: Dataset, pool: Rows, missing: list[str], seed: int) -> dict[str, Rows]:
    if not missing:
        return {}
    if missing == ["train"]:
        return {"train": pool}
    shares = [SHARES[name] for name in missing]
    strata = dataset.labels[pool] if _has_classes(dataset) else np.zeros(len(pool), dtype=np.int64)
    random = np.random.default_rng(seed)
    if dataset.groups is None:
        _check_strata(dataset, strata, missing)
        owner = allot_rows(strata.astype(np.int64), shares, random)
    else:
        groups = dataset.groups[pool]
        _check_group_count(groups, missing)
        _check_groups_per_class(dataset, strata, groups, missing)
        owner = allot_groups(strata.astype(np.int64), groups, shares, random)
    return {name: pool[owner == number] for number, name in enumerate(missing)}


def _has_classes(dataset: Dataset) -> bool:
    return dataset.labelled and dataset.kind == "classification"


def _check_strata(dataset: Dataset, strata: NDArray[np.int64], missing: list[str]) -> None:
    """Every class must reach every made split that needs it."""
    shares = [SHARES[name] for name in missing if name in _NEED_EVERY_CLASS]
    if not shares:
        return
    needed = -(-sum(SHARES[name] for name in missing) // min(shares))
    present, counts = np.unique(strata, return_counts=True)
    scarce = present[counts < needed]
    if len(present) == 0 or len(scarce):
        raise DataError(
            _scarcity(dataset, dict(zip(present.tolist(), counts.tolist(), strict=True)), scarce.tolist()),
            f"at least {needed} rows{' per class' if dataset.classes else ''} to make {', '.join(missing)}",
            "add rows, leave the class out, or name files for the splits yourself",
        )


def _scarcity(dataset: Dataset, counts: Mapping[int, int], scarce: list[int]) -> str:
    if not dataset.classes:
        return f"{dataset.source}: {sum(counts.values())} rows to split"
    named = [f"{dataset.classes[number]} ({counts[number]} rows)" for number in scarce[:5]]
    return f"{dataset.source}: too few rows of {', '.join(named) or 'every class'}"


def _check_group_count(groups: Rows, missing: list[str]) -> None:
    count = len(np.unique(groups))
    if count < len(missing):
        raise DataError(
            f"{count} groups",
            f"at least {len(missing)} groups to make {', '.join(missing)}",
            "add groups, or leave `group:` out if rows of one group may stand in two splits",
        )


def _check_groups_per_class(dataset: Dataset, strata: NDArray[np.int64], groups: Rows, missing: list[str]) -> None:
    """A class that stands in two groups cannot reach three splits."""
    needed = [name for name in missing if name in _NEED_EVERY_CLASS]
    for number in np.unique(strata).tolist():
        count = len(np.unique(groups[strata == number]))
        if dataset.classes and count < len(needed):
            raise DataError(
                f"class {dataset.classes[number]} stands in {count} groups",
                f"at least {len(needed)} groups per class to make {', '.join(needed)}",
                "add groups, leave the class out, or leave `group:` out",
            )


def _check_groups(dataset: Dataset, parts: Mapping[str, Rows]) -> None:
    if dataset.groups is None:
        return
    seen: dict[int, str] = {}
    for name, rows in parts.items():
        for group in np.unique(dataset.groups[rows]).tolist():
            if group in seen:
                raise DataError(
                    f"a group has rows in {seen[group]} and in {name}",
                    "every group in one split",
                    "move its rows together, or leave `group:` out",
                )
            seen[group] = name


def _without_copies(dataset: Dataset, splits: Mapping[str, Rows]) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """The splits without rows that stand elsewhere, and what was dropped from select and confirm."""
    digests = row_digests(dataset.inputs)
    in_train = np.isin(digests[splits["select"]], digests[splits["train"]])
    select = splits["select"][~in_train]
    others = np.concatenate([splits["train"], splits["calibrate"], select])
    elsewhere = np.isin(digests[splits["confirm"]], digests[others])
    kept = {**splits, "select": select, "confirm": splits["confirm"][~elsewhere]}
    dropped = {"select": splits["select"][in_train], "confirm": splits["confirm"][elsewhere]}
    return kept, dropped


def _check_filled(kept: Mapping[str, Rows], before: Mapping[str, Rows], trains: bool) -> None:
    for name in SPLIT_NAMES:
        if len(kept[name]) or (name == "train" and not trains):
            continue
        copies = len(before[name])
        came = f"all {copies} rows of {name} also stand in another split" if copies else f"{name} has no rows"
        total = sum(SHARES[split] for split in SPLIT_NAMES if trains or split != "train")
        needed = -(-total // SHARES[name])
        raise DataError(
            came,
            f"at least 1 row in {name} that stands nowhere else: about {needed} different rows to split",
            "add rows, or name a file for this split",
        )


def _how(dataset: Dataset, missing: list[str], trains: bool, seed: int, dropped: Mapping[str, Rows]) -> str:
    parts = [_how_made(dataset, missing, seed)]
    given = [name for name in SPLIT_NAMES if name in dataset.given]
    if given:
        parts.insert(0, f"given: {', '.join(given)}")
    if not trains:
        unused = "; its rows are not used" if "train" in given and not missing else ""
        parts.append(f"nothing goes to train, since nothing is trained{unused}")
    for name, rows in dropped.items():
        if len(rows):
            parts.append(f"{len(rows)} rows left {name} because they also stand in another split")
    return "; ".join(part for part in parts if part)


def _how_made(dataset: Dataset, missing: list[str], seed: int) -> str:
    if not missing or missing == ["train"]:
        return ""
    shares = "/".join(str(SHARES[name]) for name in missing)
    origin = " out of the given train" if "train" in dataset.given else ""
    rules = ["stratified by class"] if _has_classes(dataset) else []
    rules += ["groups kept together"] if dataset.groups is not None else []
    return f"made{origin}: {', '.join(missing)} in proportion {shares}, {', '.join([*rules, f'seed {seed}'])}"
