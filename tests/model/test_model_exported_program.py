"""Programs of torch.export: what they take, that the file equals them, and that none may run code."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sartor.errors import ModelError
from sartor.model.exported_program import export_program
from sartor.model.open import open_model
from sartor.model.values import TensorSpec
from sartor.steps.prepared import Prepared

from .preparing import numbers

pytest.importorskip("torch")
import torch


class Pair(torch.nn.Module):
    """Two inputs, the second by keyword, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"sum": self.layer(left) + right, "peak": left.amax(-1)}


def save_pair(path: Path, free: bool = True) -> Path:
    batch = {0: torch.export.Dim("rows")} if free else None
    example = {"right": torch.randn(2, 2)}
    program = torch.export.export(
        Pair().eval(), (torch.randn(2, 3),), example, dynamic_shapes={"left": batch, "right": batch}
    )
    torch.export.save(program, path)
    return path


def pairs(rows: int = 6) -> Prepared:
    generator = np.random.default_rng(0)
    return Prepared({"left": generator.standard_normal((rows, 3)), "right": generator.standard_normal((rows, 2))})


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pair(tmp_path_factory.mktemp("programs") / "pair.pt2")


def test_inputs_are_read_without_loading_it(saved: Path) -> None:
    model = open_model("pair.pt2", saved.parent)
    assert (model.kind, model.inputs, model.trainable) == ("exported-program", ("left", "right"), False)


def test_the_file_has_the_programs_inputs_outputs_and_free_batch(saved: Path, tmp_path: Path) -> None:
    model = open_model("pair.pt2", saved.parent)
    exported = export_program(model, pairs(), tmp_path / "pair.onnx")
    assert exported.signature.inputs == (
        TensorSpec("left", "float32", ("batch", 3)),
        TensorSpec("right", "float32", ("batch", 2)),
    )
    assert [(spec.name, spec.shape) for spec in exported.signature.outputs] == [
        ("sum", ("batch", 2)),
        ("peak", ("batch",)),
    ]
    assert exported.parameters == 8


def test_a_fixed_batch_stays_fixed(tmp_path: Path) -> None:
    save_pair(tmp_path / "two.pt2", free=False)
    exported = export_program(open_model("two.pt2", tmp_path), pairs(), tmp_path / "two.onnx")
    assert exported.signature.inputs[0].shape == (2, 3)


def test_rows_that_do_not_fit_are_explained(saved: Path, tmp_path: Path) -> None:
    model = open_model("pair.pt2", saved.parent)
    with pytest.raises(ModelError, match="rows with left, right"):
        export_program(model, numbers(3), tmp_path / "pair.onnx")
    wrong = Prepared({"left": np.zeros((4, 5)), "right": np.zeros((4, 2))})
    with pytest.raises(ModelError, match=r"refuses left \(\d, 5\)"):
        export_program(model, wrong, tmp_path / "pair.onnx")


class Evil:
    """Unpickling this would call `print`."""

    def __reduce__(self) -> tuple[object, ...]:
        return print, ("code was run",)


def rewritten(saved: Path, to: Path, member: str, old: str, new: str) -> None:
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(to, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content.replace(old.encode(), new.encode()) if name.endswith(member) else content)


@pytest.mark.parametrize(
    ("member", "old", "new", "says"),
    [
        ("models/model.json", "torch.ops.aten.amax.default", "torch.os.system", r"calls `torch\.os\.system`"),
        ("models/model.json", "positive=True", "positive=print.__self__.exit()", "no arithmetic"),
        ("weights_config.json", '"use_pickle": false', '"use_pickle": true', "which could run any code"),
        ("models/model.json", '"graph_module"', '"graph"', "no tensor"),
    ],
)
def test_programs_that_could_run_code_are_refused(
    member: str, old: str, new: str, says: str, saved: Path, tmp_path: Path
) -> None:
    rewritten(saved, tmp_path / "evil.pt2", member, old, new)
    with pytest.raises(ModelError, match=says):
        open_model("evil.pt2", tmp_path)


def test_pickled_sample_inputs_are_refused_unopened(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(tmp_path / "evil.pt2", "w") as target:
        for name in source.namelist():
            sample = name.endswith("sample_inputs/model.pt")
            target.writestr(name, pickle.dumps(Evil()) if sample else source.read(name))
    with pytest.raises(ModelError, match="pickled objects among its sample inputs"):
        export_program(open_model("evil.pt2", tmp_path), pairs(), tmp_path / "evil.onnx")
    assert "code was run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "truncated"),
        (b"version https://git-lfs", "git lfs pull"),
        (b"PK\x05\x06" + bytes(18), "no single program"),
    ],
)
def test_what_is_no_program_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_bytes(content)
    with pytest.raises(ModelError, match=says):
        open_model("net.pt2", tmp_path)


def test_the_test_files_hold_what_is_replaced_in_them(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        program = next(archive.read(name) for name in archive.namelist() if name.endswith("models/model.json"))
    targets = {node["target"] for node in json.loads(program)["graph_module"]["graph"]["nodes"]}
    assert "torch.ops.aten.amax.default" in targets
