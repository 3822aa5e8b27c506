"""Opening model references: what is understood, and what is said about what is not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import helper

from sartor.errors import ModelError
from sartor.model.open import open_model, slug

from .files import write_linear


def test_zoo_defaults_are_filled_in(tmp_path: Path) -> None:
    model = open_model("zoo:cnn", tmp_path)
    assert (model.name, model.kind, model.trainable) == ("cnn", "zoo", True)
    assert dict(model.knobs) == {"width": 16, "depth": 3}


def test_names_are_short_slugs_with_the_given_knobs(tmp_path: Path) -> None:
    assert open_model("zoo:cnn(width=32)", tmp_path).name == "cnn-width32"
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,40}", slug("/odd: näme" * 20))


def test_default_knobs_written_out_are_the_same_model(tmp_path: Path) -> None:
    written_out = open_model("zoo:cnn(depth=3, width=16)", tmp_path)
    assert written_out.content_hash == open_model("zoo:cnn", tmp_path).content_hash
    assert open_model("zoo:cnn(width=8)", tmp_path).content_hash != written_out.content_hash


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("zoo:resnett", "did you mean `resnet`?"),
        ("zoo:cnn(widht=3)", "did you mean `width`?"),
        ("zoo:cnn(width=0)", "from 4 to 256"),
        ("zoo:cnn(width=1.5)", "whole number"),
        ("zoo:cnn(width=8, width=8)", "twice"),
        ("resnet", "did you mean `zoo:resnet`?"),
        ("absent.onnx", "no file `absent.onnx`"),
        ("no_such_nets:build", "no Python module `no_such_nets`"),
        ("folder/model.pt", "path that ends in .onnx"),
    ],
)
def test_what_cannot_be_opened_is_explained(reference: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=re.escape(says)):
        open_model(reference, tmp_path)


def test_a_misspelt_file_names_the_one_beside_it(tmp_path: Path) -> None:
    write_linear(tmp_path / "linear.onnx")
    with pytest.raises(ModelError, match=r"did you mean `linear\.onnx`"):
        open_model("linaer.onnx", tmp_path)


def test_an_onnx_file_is_relative_to_the_need_and_not_trainable(tmp_path: Path) -> None:
    path = write_linear(tmp_path / "my net.onnx")
    model = open_model("my net.onnx", tmp_path)
    assert (model.name, model.path, model.trainable) == ("my-net", path.resolve(), False)


@pytest.mark.parametrize("keep", [0, 30, 100])
def test_a_truncated_file_is_refused(keep: int, tmp_path: Path) -> None:
    path = write_linear(tmp_path / "net.onnx")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"truncated|empty"):
        open_model("net.onnx", tmp_path)


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.onnx").write_text("<html>404</html>")
    with pytest.raises(ModelError, match="no ONNX file"):
        open_model("page.onnx", tmp_path)


def test_a_pointer_of_git_lfs_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ModelError, match="git lfs pull"):
        open_model("net.onnx", tmp_path)


def test_an_inconsistent_graph_is_refused(tmp_path: Path) -> None:
    wrong = helper.make_node("Concat", ["product", "nowhere"], ["joined"], axis=1)
    write_linear(tmp_path / "net.onnx", nodes=[wrong])
    with pytest.raises(ModelError, match="no valid ONNX model"):
        open_model("net.onnx", tmp_path)


def test_an_operator_that_nobody_knows_is_named(tmp_path: Path) -> None:
    write_linear(tmp_path / "net.onnx", nodes=[helper.make_node("Warp", ["product"], ["w"], domain="my.ops")])
    with pytest.raises(ModelError, match=r"my\.ops::Warp"):
        open_model("net.onnx", tmp_path)


def test_an_operator_of_onnxruntime_is_accepted(tmp_path: Path) -> None:
    gelu = helper.make_node("Gelu", ["product"], ["activated"], domain="com.microsoft")
    write_linear(tmp_path / "net.onnx", nodes=[gelu])
    assert open_model("net.onnx", tmp_path).kind == "onnx"


def test_external_data_is_needed_and_hashed(tmp_path: Path) -> None:
    write_linear(tmp_path / "net.onnx", external="net.weights")
    weights = tmp_path / "net.weights"
    before = open_model("net.onnx", tmp_path).content_hash
    weights.write_bytes(b"\1" + weights.read_bytes()[1:])
    assert open_model("net.onnx", tmp_path).content_hash != before
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelError, match="bytes"):
        open_model("net.onnx", tmp_path)
    weights.unlink()
    with pytest.raises(ModelError, match=r"net\.weights, which is missing"):
        open_model("net.onnx", tmp_path)


def test_a_callable_is_found_beside_the_need_without_running_it(tmp_path: Path) -> None:
    (tmp_path / "lazy_nets.py").write_text("raise SystemExit\n")
    model = open_model("lazy_nets:build", tmp_path)
    assert (model.name, model.kind, model.trainable) == ("lazy_nets-build", "torch", False)


def test_opening_loads_neither_torch_nor_onnx() -> None:
    program = (
        "import sys; import sartor.model.open as room; room.open_model('zoo:mlp', __import__('pathlib').Path('.'));"
        "print([name for name in ('torch', 'onnx', 'onnxruntime', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
