"""Model and data files of the thirty models: ONNX, .pt2, Keras, arrays; written with fixed seeds.

Weights are random unless a function says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from _thirty_folders import TEXT_SIZES
from _thirty_places import (
    CENTRED,
    SEED,
    SPREAD,
    VOCABULARY,
    Places,
    centre,
    save,
    seeded,
    tokens,
    waken,
    write_tokenizer,
)


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

    with seeded():
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
    with seeded():
        network = separable((1, 8, 8), 10)
        waken(network)
    centre(network, torch.from_numpy(load_digits().images[:CENTRED, None].astype(np.float32)))
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

    config = transformers.BertConfig(**TEXT_SIZES["Bert"], vocab_size=VOCABULARY, initializer_range=SPREAD)
    with seeded():
        network = transformers.BertForSequenceClassification(config).eval()
    folder.mkdir()
    write_tokenizer(folder / "tokenizer.json", places)
    centre(network, **tokens(folder / "tokenizer.json", places))
    example = torch.ones(2, 7, dtype=torch.int64)
    free = {0: "batch", 1: "length"}
    torch.onnx.export(
        Scores(network).eval(),
        (example, example),
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
    save(path, inputs=inputs[half:].reshape(-1, 1, 8, 8).astype(np.float32), labels=labels[half:])


def write_pairs(path: Path) -> None:
    """Breast cancer, standardised, its features as two arrays."""
    from sklearn.datasets import load_breast_cancer

    inputs, labels = load_breast_cancer(return_X_y=True)
    rows = ((inputs - inputs.mean(0)) / inputs.std(0)).astype(np.float32)
    save(path, left=rows[:, :10], right=rows[:, 10:], labels=labels)
