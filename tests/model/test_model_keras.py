"""Keras files: opened without Keras, refused when they hold code, written as ONNX and proved against `predict`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor.errors import ModelError
from sartor.model.keras import convert, keras_inputs
from sartor.model.open import open_model
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Settings, outputs_agree
from sartor.steps.prepared import Prepared

os.environ["KERAS_BACKEND"] = "torch"
keras = pytest.importorskip("keras")
layers = keras.layers
# Keras 3.15 says so of numpy 2 whenever it saves a model.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def rows(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def pictures() -> Any:
    return keras.Sequential(
        [
            layers.Input((8, 8, 3), name="picture"),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )


def tokens() -> Any:
    return keras.Sequential(
        [layers.Input((5,), dtype="int32"), layers.Embedding(20, 8), layers.GRU(4), layers.Dense(2)]
    )


def two_in_two_out() -> Any:
    left, right = layers.Input((6, 4), name="left"), layers.Input((3,), name="right")
    mixed = layers.MultiHeadAttention(2, 4)(left, left)
    mixed = layers.Concatenate()([layers.GlobalAveragePooling1D()(layers.LayerNormalization()(mixed)), right])
    return keras.Model([left, right], [layers.Dense(3, name="kind")(mixed), layers.Dense(1, name="size")(mixed)])


MADE = {
    "pictures": (pictures, {"": rows(9, 8, 8, 3)}),
    "tokens": (tokens, {"": np.random.default_rng(0).integers(0, 20, (9, 5))}),
    "two": (two_in_two_out, {"left": rows(9, 6, 4), "right": rows(9, 3)}),
}


@pytest.mark.parametrize("name", MADE)
def test_the_file_gives_what_predict_gives(name: str, tmp_path: Path) -> None:
    make, arrays = MADE[name]
    source = make()
    source.save(tmp_path / "net.keras")
    model = open_model("net.keras", tmp_path)
    taken = Prepared(arrays).renamed(model.inputs)
    exported = convert(model, taken, tmp_path / "net.onnx")
    assert (model.kind, model.trainable) == ("keras", False)
    assert [spec.name for spec in exported.signature.inputs] == list(model.inputs)
    assert exported.signature.inputs[0].shape[0] == "batch"
    given = [np.ascontiguousarray(taken.arrays[key][:7]) for key in model.inputs]
    wanted = keras.tree.flatten(source.predict(given if len(given) > 1 else given[0], verbose=0))
    got = open_runtime("onnxruntime").load(exported.path, Settings()).run(dict(zip(model.inputs, given, strict=True)))
    assert len(got) == len(wanted)
    assert all(outputs_agree(one, other) <= 1 for one, other in zip(wanted, got, strict=True))


def test_outputs_keep_the_names_of_their_layers(tmp_path: Path) -> None:
    make, arrays = MADE["two"]
    make().save(tmp_path / "net.keras")
    exported = convert(open_model("net.keras", tmp_path), Prepared(arrays), tmp_path / "net.onnx")
    assert [spec.name for spec in exported.signature.outputs] == ["kind", "size"]


def test_inputs_are_read_from_the_configuration(tmp_path: Path) -> None:
    pictures().save(tmp_path / "one.keras")
    two_in_two_out().save(tmp_path / "two.keras")
    (picture,) = keras_inputs(tmp_path / "one.keras")
    assert (picture.name, picture.dtype, picture.shape) == ("picture", "float32", ("batch", 8, 8, 3))
    assert [spec.name for spec in keras_inputs(tmp_path / "two.keras")] == ["left", "right"]


def test_a_model_without_an_input_layer_takes_what_it_was_built_with(tmp_path: Path) -> None:
    source = keras.Sequential([layers.Dense(2)])
    source.build((None, 4))
    source.save(tmp_path / "net.keras")
    model = open_model("net.keras", tmp_path)
    exported = convert(model, Prepared({"": rows(6, 4)}).renamed(model.inputs), tmp_path / "net.onnx")
    assert exported.signature.inputs[0].shape == ("batch", 4)
    assert exported.parameters == 10


def test_opening_needs_no_keras(tmp_path: Path) -> None:
    pictures().save(tmp_path / "net.keras")
    program = (
        "import sys, pathlib; from sartor.model.open import open_model;"
        "open_model('net.keras', pathlib.Path(sys.argv[1])); print('keras' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"


def test_pictures_with_channels_first_are_refused(tmp_path: Path) -> None:
    pictures().save(tmp_path / "net.keras")
    with pytest.raises(ModelError, match="channels last") as caught:
        convert(open_model("net.keras", tmp_path), Prepared({"picture": rows(6, 3, 8, 8)}), tmp_path / "net.onnx")
    assert caught.value.allowed.endswith("rows of shape 8 x 8 x 3")


def test_code_inside_a_file_is_refused(tmp_path: Path) -> None:
    source = keras.Sequential([layers.Input((4,)), layers.Lambda(_twice, output_shape=(4,)), layers.Dense(2)])
    source.save(tmp_path / "net.keras")
    with pytest.raises(ModelError, match="holds a Lambda"):
        open_model("net.keras", tmp_path)


def test_custom_layers_are_refused(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("mine")
    class Twice(layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    keras.Sequential([layers.Input((4,)), Twice(), layers.Dense(2)]).save(tmp_path / "net.keras")
    with pytest.raises(ModelError, match="mine>Twice"):
        open_model("net.keras", tmp_path)


def test_a_module_path_that_asks_for_foreign_code_is_refused(tmp_path: Path) -> None:
    config = {"module": "os", "class_name": "system", "config": {"command": "true"}, "registered_name": "system"}
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(ModelError, match="no part of Keras"):
        open_model("net.keras", tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "truncated"), (b"PK\3\4 half", "truncated"), (b"\x89HDF\r\n", "no Keras 3 file")],
)
def test_what_is_no_keras_file_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "net.keras").write_bytes(content)
    with pytest.raises(ModelError, match=says):
        open_model("net.keras", tmp_path)


def test_an_archive_without_weights_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ModelError, match=r"no model\.weights\.h5"):
        open_model("net.keras", tmp_path)


def test_a_missing_file_names_the_one_beside_it(tmp_path: Path) -> None:
    pictures().save(tmp_path / "pictures.keras")
    with pytest.raises(ModelError, match=r"did you mean `pictures\.keras`"):
        open_model("picturse.keras", tmp_path)


def _twice(inputs: Any) -> Any:
    return inputs * 2
