"""`sartor inspect`: what it takes, what it prints, and one clear error for what it cannot use."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from sartor.machine.device import this_machine
from sartor.machine.profile_file import save_profile
from sartor.measure.probe import runtime_versions
from tests.bundle.making import FEATURES, write_net
from tests.cli.calling import Call, caller
from tests.machine.profiles import made


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return caller(capsys)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARTOR_HOME", str(tmp_path / "home"))


@pytest.fixture
def net(tmp_path: Path) -> Path:
    write_net(tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def write_config(folder: Path, **changes: object) -> Path:
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 100}
    config = {"model_type": "llama", "num_attention_heads": 4, "rms_norm_eps": 1e-5, "dtype": "float16", **sizes}
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder / "config.json"


def test_without_a_profile_there_are_counts_and_a_word_on_probe(net: Path, call: Call) -> None:
    ended = call("inspect", net)
    assert (ended.code, ended.err) == (0, "")
    for said in ("net.onnx", "parameters", "of FLOP", "sartor probe"):
        assert said in ended.out
    assert "predicted time" not in ended.out


def test_the_stored_profile_is_this_machine(net: Path, call: Call) -> None:
    save_profile(dataclasses.replace(made(this_machine()), versions=runtime_versions()))
    values = json.loads(call("inspect", net, "--json").out)
    assert values["machine"]["source"] == "measured"
    assert values["machine"]["flop_per_second"]["int8"] == 380e9
    assert values["seconds"]["source"] == "roofline"
    assert [change["precision"] for change in values["changes"]] == ["bfloat16", "int8"]


def test_batches_multiply_the_work(net: Path, call: Call) -> None:
    one, eight, shaped = (
        json.loads(call("inspect", net, "--json", *more).out)["totals"]["flop_float32"]["value"]
        for more in ([], ["--batch", "8"], ["--input", f"x=8x{FEATURES}"])
    )
    assert eight == shaped == 8 * one


def test_two_machines_and_a_page(net: Path, tmp_path: Path, call: Call) -> None:
    page = tmp_path / "page.html"
    ended = call("inspect", net, "--on", "h100-sxm", "--against-on", "MI300X", "-o", page, "--json")
    values = json.loads(ended.out)
    assert (values["machine"]["name"], values["against"]["machine"]["name"]) == ("h100-sxm", "mi300x")
    assert (ended.code, values["page"]) == (0, str(page))
    assert page.read_text().startswith("<!doctype html>")


def test_two_models(net: Path, tmp_path: Path, call: Call) -> None:
    write_net(tmp_path / "other.onnx")
    ended = call("inspect", net, "--against", tmp_path / "other.onnx", "--on", "h100-sxm", "--precision", "bfloat16")
    assert ended.code == 0
    assert "other.onnx in bfloat16 on h100-sxm" in " ".join(ended.out.split())
    assert "second / first" in ended.out


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_config_is_enough_for_a_language_model(what: str, tmp_path: Path, call: Call) -> None:
    config = write_config(tmp_path / "tiny")
    model = config if what == "file" else config.parent
    values = json.loads(call("inspect", model, "--batch", "2", "--length", "16", "--on", "h100-sxm", "--json").out)
    assert (values["model"], values["kind"], values["precision"]) == ("tiny", "language", "float16")
    assert [row["name"] for row in values["operators"]] == ["prefill", "decode"]
    assert values["totals"]["prompt_tokens"]["value"] == 16


@pytest.mark.filterwarnings("ignore")  # PyTorch's exporter warns of itself
def test_a_model_of_the_zoo_is_exported_first(call: Call) -> None:
    values = json.loads(call("inspect", "zoo:mlp(width=8)", "--input", "input=4x6", "--json").out)
    assert values["inputs"] == [{"name": "input", "dtype": "float32", "shape": [4, 6]}]
    assert values["totals"]["parameters"]["value"] > 0
    assert values["operators"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--on", "h100sxn"], "did you mean `h100-sxm`"),
        (["--on", "tpu-v5e"], "--precision"),
        (["--precision", "int9"], "did you mean `int8`"),
        (["--input", "x=1,3"], "--input x=1x3x224x224"),
        (["--input", "y=1x3"], "no input `y`"),
        (["--size", "batch"], "--size batch=8"),
        (["--size", "batch=2", "--batch", "3"], "`batch` is 2 and 3"),
        (["--size", "depth=2"], "no free dimension `depth`"),
        (["--against", "net.onnx", "--against-on", "h100-sxm"], "one of them"),
        (["-o", "absent/page.html"], "a folder that exists"),
        (["--top", "0"], "--top"),
    ],
)
def test_options_that_cannot_be_used(options: list[str], says: str, net: Path, call: Call) -> None:
    ended = call("inspect", net, *options, "--json")
    assert ended.code == 2
    assert says in ended.err
    assert ended.error["came"]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("absent.onnx", "absent.onnx"),
        ("zoo:cnm", "did you mean `cnn`"),
        ("net.pkl", "is a pickle"),
        ("sklearn:LogisticRegression", "before it is fitted"),
        ("tiny/config.json", "remote code"),
        ("gone/config.json", "gone"),
    ],
)
def test_models_that_cannot_be_used(
    model: str, says: str, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path / "tiny", model_type="own", auto_map={"AutoModel": "own.Model"})
    ended = call("inspect", model)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err


def test_a_language_model_has_no_other_sizes(tmp_path: Path, call: Call) -> None:
    ended = call("inspect", write_config(tmp_path / "tiny"), "--size", "depth=3")
    assert ended.code == 2
    assert "--batch and --length" in ended.err


def test_a_precision_that_was_not_measured_here(net: Path, call: Call) -> None:
    profile = dataclasses.replace(made(this_machine()), versions=runtime_versions())
    save_profile(dataclasses.replace(profile, matrix=profile.matrix[:2]))
    ended = call("inspect", net, "--precision", "int8")
    assert ended.code == 2
    assert "no rate in int8 was measured here" in ended.err


def test_a_calibrated_machine_predicts(net: Path, call: Call) -> None:
    from tests.fit.calibrations import save

    save_profile(dataclasses.replace(made(this_machine()), versions=runtime_versions()))
    uncalibrated = json.loads(call("inspect", net, "--json").out)
    assert any("sartor probe --calibrate" in note for note in uncalibrated["notes"])
    save({("onnxruntime", "f32"): 0.002, ("openvino", "int8"): 0.001})
    values = json.loads(call("inspect", net, "--json").out)
    assert values["seconds"]["source"] == "calibrated"
    assert [one["arithmetic"] for one in values["prospects"]] == ["int8", "f32"]
    assert values["prospects"][0]["gain"]["value"] == pytest.approx(2.0)
    assert json.loads(call("inspect", net, "--on", "h100-sxm", "--json").out)["prospects"] == []
