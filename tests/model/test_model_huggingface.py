"""Hugging Face folders: what they declare, what is refused, and that the exported file equals transformers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor.errors import MissingExtraError, ModelError
from sartor.model.export import export_torch
from sartor.model.open import open_model
from sartor.model.torch import build_module
from sartor.model.transformers_library import auto_classes, positions_start_after_padding
from sartor.model.values import Model
from sartor.steps import apply_steps, prepare_rows, read_steps
from sartor.steps.base import Array
from sartor.steps.prepared import Prepared

from .folders import TEXTS, write_folder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 3, 40, 52), dtype=np.uint8)


def texts() -> Array:
    rows = np.empty(len(TEXTS), dtype=object)
    rows[:] = TEXTS
    return rows


def clips() -> Array:
    rows = np.empty(3, dtype=object)
    for number in range(3):
        rows[number] = np.random.default_rng(number).standard_normal(150 + 100 * number).astype(np.float32)
    return rows


def opened(folder: Path) -> Model:
    return open_model(folder.name, folder.parent)


def prepared(model: Model, rows: Array) -> Prepared:
    assert model.steps is not None
    return prepare_rows(read_steps(model.steps), rows)


def answer(module: Any, rows: Prepared) -> Array:
    with torch.no_grad():
        logits: Array = module.eval()(*(torch.from_numpy(array) for array in rows.arrays.values())).numpy()
    return logits


# --- texts


def test_a_text_model_declares_its_tokenizer_and_its_labels(tmp_path: Path) -> None:
    labels = {0: "no", 1: "yes", 2: "maybe"}
    model = opened(write_folder(tmp_path / "my bert", "Bert", id2label=labels))
    assert (model.kind, model.name, model.trainable) == ("huggingface", "my-bert", False)
    assert (model.classes, model.columns) == (("no", "yes", "maybe"), 3)
    assert model.inputs == ("input_ids", "attention_mask", "token_type_ids")
    assert model.steps is not None
    assert model.steps[0]["tokenise"] == {
        "file": str(tmp_path / "my bert" / "tokenizer.json"),
        "max_length": 512,
        "pad_id": 0,
        "inputs": list(model.inputs),
    }


def test_the_module_answers_as_transformers_does(tmp_path: Path) -> None:
    model = opened(write_folder(tmp_path / "bert", "Bert"))
    rows = prepared(model, texts())
    own = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "bert").eval()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "bert" / "tokenizer.json"), pad_token="[PAD]"
    )
    with torch.no_grad():
        wanted = own(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits.numpy()
    assert np.allclose(answer(build_module(model, rows, 2, tmp_path), rows), wanted, atol=1e-6)


def test_positions_of_roberta_start_after_its_padding(tmp_path: Path) -> None:
    model = opened(write_folder(tmp_path / "roberta", "Roberta"))
    assert model.inputs == ("input_ids", "attention_mask")
    assert model.steps is not None
    assert model.steps[0]["tokenise"]["max_length"] == 32  # 34 positions, of which two stand for padding
    assert not positions_start_after_padding("bert")


def test_the_tokenizer_may_allow_for_less_and_name_its_padding(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "bert", "Bert")
    settings = {"model_max_length": 24, "pad_token": {"content": "[UNK]"}, "model_input_names": ["input_ids"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    model = opened(folder)
    assert model.steps is not None
    step = model.steps[0]["tokenise"]
    assert (step["max_length"], step["pad_id"], step["inputs"]) == (24, 1, ["input_ids", "attention_mask"])


# --- heads


def test_a_model_without_a_head_gets_a_new_one(tmp_path: Path) -> None:
    model = opened(write_folder(tmp_path / "encoder", "Bert", "BertModel"))
    assert (model.columns, model.classes) == (None, ())
    rows = prepared(model, texts())
    assert answer(build_module(model, rows, 5, tmp_path), rows).shape == (len(TEXTS), 5)


def test_a_head_of_another_size_is_replaced_and_the_encoder_kept(tmp_path: Path) -> None:
    model = opened(write_folder(tmp_path / "bert", "Bert"))
    assert (model.columns, model.classes) == (2, ())
    rows = prepared(model, texts())
    two, four = (build_module(model, rows, outputs, tmp_path).state_dict() for outputs in (2, 4))
    assert {name for name in two if two[name].shape != four[name].shape} == {
        "network.classifier.weight",
        "network.classifier.bias",
    }
    assert all(torch.equal(two[name], four[name]) for name in two if ".encoder." in name)


def test_weights_that_are_missing_in_the_encoder_are_an_error(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_folder(tmp_path / "bert", "Bert", "BertModel")
    kept = {name: weight for name, weight in load_file(folder / "model.safetensors").items() if "query" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    model = opened(folder)
    with pytest.raises(ModelError, match=r"lacks 2 weights.*query"):
        build_module(model, prepared(model, texts()), 3, tmp_path)


# --- pictures and sounds


def processors() -> list[Any]:
    return [
        transformers.ViTImageProcessor(size={"height": 16, "width": 20}),
        transformers.ConvNextImageProcessor(size={"shortest_edge": 24}, crop_pct=0.875),
        transformers.ConvNextImageProcessor(size={"shortest_edge": 384}),
        transformers.MobileNetV2ImageProcessor(
            size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}, resample=3
        ),
        transformers.EfficientNetImageProcessor(size={"height": 18, "width": 18}, rescale_offset=True),
        transformers.PoolFormerImageProcessor(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}),
        transformers.CLIPImageProcessor(do_resize=False, crop_size={"height": 60, "width": 30}),
    ]


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("vit") / "vit", "ViT")


@pytest.mark.parametrize("processor", processors(), ids=lambda processor: type(processor).__name__)
def test_declared_steps_do_what_the_image_processor_does(processor: Any, vit: Path) -> None:
    processor.save_pretrained(vit)
    model = opened(vit)
    assert model.inputs == ("pixel_values",)
    assert model.steps is not None
    wanted = processor(list(PICTURES), return_tensors="np", input_data_format="channels_first")["pixel_values"]
    got = apply_steps(read_steps(model.steps), PICTURES)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= np.ptp(wanted) / 255  # one level of 256


def test_an_image_processor_that_does_more_is_refused(vit: Path) -> None:
    transformers.MobileViTImageProcessor().save_pretrained(vit)  # turns RGB into BGR
    with pytest.raises(ModelError, match=r"MobileViT.* does more than can be declared"):
        opened(vit)


@pytest.mark.parametrize("mask", [False, True])
def test_declared_steps_do_what_the_feature_extractor_does(mask: bool, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wav", "Wav2Vec2")
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=40, return_attention_mask=mask)
    extractor.save_pretrained(folder)
    model = opened(folder)
    rows = prepared(model, clips())
    assert rows.row_shapes == {"": (400,)}  # ten seconds
    wanted = extractor(
        list(clips()), sampling_rate=40, padding="max_length", max_length=400, truncation=True, return_tensors="np"
    )["input_values"]
    assert np.allclose(rows.arrays[""], wanted, atol=1e-4)


def test_an_extractor_of_features_declares_no_steps(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "wav", "Wav2Vec2")
    (folder / "preprocessor_config.json").write_text('{"feature_extractor_type": "SeamlessM4TFeatureExtractor"}')
    model = opened(folder)
    assert (model.inputs, model.steps) == (("input_features",), None)


# --- export


@pytest.mark.parametrize(
    ("family", "rows"),
    [
        ("DistilBert", texts()),
        ("Roberta", texts()),
        ("ViT", PICTURES),
        pytest.param("Bert", texts(), marks=pytest.mark.slow),
        pytest.param("ResNet", PICTURES, marks=pytest.mark.slow),
        pytest.param("MobileNetV2", PICTURES, marks=pytest.mark.slow),
        pytest.param("Wav2Vec2", clips(), marks=pytest.mark.slow),
    ],
)
def test_the_exported_file_is_verified_against_transformers(family: str, rows: Array, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / family, family)
    if rows is PICTURES:
        transformers.ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    elif family == "Wav2Vec2":
        transformers.Wav2Vec2FeatureExtractor(sampling_rate=40).save_pretrained(folder)
    model = opened(folder)
    example = prepared(model, rows)
    exported = export_torch(build_module(model, example, 2, tmp_path), example, tmp_path / "net.onnx")
    free = {spec.shape[:2] for spec in exported.signature.inputs if spec.name in example.padding}
    assert free == ({("batch", "length")} if rows.dtype == object and family != "Wav2Vec2" else set())
    assert exported.signature.outputs[0].shape == ("batch", 2)


# --- refused


def keep_only_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def lose_a_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def cut_the_weights(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 5000)


def spoil_the_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)


def leave_a_pointer(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")


def ask_for_remote_code(folder: Path) -> None:
    change_config(folder, auto_map={"AutoModel": "modeling_mine.MyModel"})


def keep_only_a_slow_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("[PAD]\n")


def spoil_the_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def tag_tokens(folder: Path) -> None:
    change_config(folder, architectures=["BertForTokenClassification"])


def be_unheard_of(folder: Path) -> None:
    change_config(folder, model_type="nobody-knows")


def spoil_the_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (keep_only_a_pickle, r"pytorch_model\.bin: a pickle(.|\n)*save_pretrained"),
        (lose_a_shard, r"no model-00001-of-00002\.safetensors"),
        (cut_the_weights, "has 5,000 bytes, its header says"),
        (spoil_the_header, "header cannot be read"),
        (leave_a_pointer, "git lfs pull"),
        (ask_for_remote_code, "remote code"),
        (keep_only_a_slow_tokenizer, r"only vocab\.txt(.|\n)*writes tokenizer\.json"),
        (spoil_the_tokenizer, r"tokenizer\.json is damaged"),
        (tag_tokens, "BertForTokenClassification"),
        (be_unheard_of, "type `nobody-knows`"),
        (spoil_the_config, "is no JSON"),
    ],
)
def test_folders_that_cannot_be_used_are_explained(spoil: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "bert", "Bert")
    spoil(folder)
    with pytest.raises(ModelError, match=says):
        opened(folder)


def test_a_model_that_generates_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "gpt", "GPT2")
    with pytest.raises(ModelError, match="generates text"):
        opened(tmp_path / "gpt")


def test_a_folder_without_a_config_is_explained(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=re.escape("has a config.json; this folder has none")):
        opened(tmp_path / "empty")


def test_a_missing_transformers_names_the_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "bert", "Bert")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sartor\[huggingface\]'"):
        opened(folder)


# --- identity and cost


def test_every_file_that_matters_is_hashed(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "bert", "Bert")
    before = opened(folder).content_hash
    (folder / "README.md").write_text("words")
    assert opened(folder).content_hash == before
    change_config(folder, hidden_act="relu")
    assert opened(folder).content_hash != before


def test_opening_a_text_model_loads_neither_torch_nor_transformers(tmp_path: Path) -> None:
    write_folder(tmp_path / "bert", "Bert")
    program = (
        "import sys, pathlib; import sartor.model.open as room; room.open_model('bert', pathlib.Path('.'));"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"


def test_the_tables_read_from_the_source_are_those_of_the_library() -> None:
    from transformers.models.auto import modeling_auto

    for table in ("MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES", "MODEL_FOR_MASKED_LM_MAPPING_NAMES"):
        assert auto_classes(table) == dict(getattr(modeling_auto, table))
