"""Hugging Face folders of sound whose extractor makes pictures: steps with the same numbers, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor.errors import ModelError
from sartor.model.export import export_torch
from sartor.model.open import open_model
from sartor.model.torch import build_module
from sartor.steps import prepare_rows, read_steps
from sartor.steps.audio import as_clips
from sartor.steps.prepared import Prepared
from tests.model.folders import write_folder
from tests.steps.making import sounds

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

RATE = 16_000
CLIPS = [*sounds(RATE, 0.2), *sounds(RATE, 1.2)[::2]]
INPUT = {"AST": "input_values", "Whisper": "input_features"}


def rewrite(folder: Path, **settings: Any) -> None:
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))


@pytest.mark.parametrize("family", ["AST", "Whisper"])
def test_declared_steps_do_what_the_extractor_does(family: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "sound", family)
    model = open_model("sound", tmp_path)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    wanted = extractor(CLIPS, sampling_rate=RATE, return_tensors="np")[INPUT[family]]
    assert model.inputs == (INPUT[family],)
    assert model.steps is not None
    assert model.steps[0] == {"decode_audio": {"rate": RATE}}
    rows = prepare_rows(read_steps(model.steps), as_clips(CLIPS))
    (got,) = rows.arrays.values()
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("family", ["AST", "Whisper"])
def test_the_exported_file_is_verified_on_declared_rows(family: str, tmp_path: Path) -> None:
    write_folder(tmp_path / "sound", family)
    model = open_model("sound", tmp_path)
    assert model.steps is not None
    (array,) = prepare_rows(read_steps(model.steps), as_clips(CLIPS)).arrays.values()
    rows = Prepared({INPUT[family]: array})
    exported = export_torch(build_module(model, rows, 2, tmp_path), rows, tmp_path / "net.onnx")
    assert exported.signature.inputs[0].name == INPUT[family]
    assert exported.signature.outputs[0].shape == ("batch", 2)


def test_an_extractor_that_does_not_normalise(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "sound", "AST")
    rewrite(folder, do_normalize=False)
    steps = open_model("sound", tmp_path).steps
    assert steps is not None
    assert [name for step in steps for name in step] == ["decode_audio", "filter_bank"]


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("AST", {"sampling_rate": 8000}),
        ("Whisper", {"sampling_rate": 8000}),
        ("Whisper", {"dither": 0.1}),
        ("AST", None),
    ],
)
def test_what_cannot_be_declared_takes_arrays(family: str, settings: dict[str, Any] | None, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "sound", family)
    if settings is None:
        (folder / "preprocessor_config.json").unlink()
    else:
        rewrite(folder, **settings)
    model = open_model("sound", tmp_path)
    assert (model.inputs, model.steps) == ((INPUT[family],), None)


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("Whisper", {"chunk_length": 2}, "makes 20 bands in 200 frames, its model takes 20 bands in 100 frames"),
        ("AST", {"max_length": 80}, "makes 16 bands in 80 frames, its model takes 16 bands in 40 frames"),
    ],
)
def test_pictures_of_another_size_are_refused(
    family: str, settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    rewrite(write_folder(tmp_path / "sound", family), **settings)
    with pytest.raises(ModelError, match=message):
        open_model("sound", tmp_path)


def test_frames_that_no_patch_holds_do_not_matter(tmp_path: Path) -> None:
    rewrite(write_folder(tmp_path / "sound", "AST"), max_length=45)  # patches of 8, 40 before
    assert open_model("sound", tmp_path).steps is not None
