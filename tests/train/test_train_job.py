"""Jobs on files: every kind of model that can be trained, and the refusal of those that cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from sartor.errors import DataError, ModelError
from sartor.steps.prepared import Prepared
from sartor.train.job import export_untrained, train_and_export
from sartor.train.modules import settle_norms
from sartor.train.values import Progress, TrainingSettings

pytest.importorskip("torch")
import torch
from torch import Tensor, nn

Array = NDArray[Any]

NETS = """
import torch
from torch import nn

class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.head = nn.Linear(9, 2)

    def forward(self, input_ids, attention_mask, age):
        shown = attention_mask[..., None].float()
        mean = (self.embedding(input_ids) * shown).sum(1) / shown.sum(1)
        return self.head(torch.cat([mean, age], 1))
"""


class Sum(nn.Module):
    """left + 2 right."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """(rows, f), (rows, f) -> (rows, f)."""
        return left + 2 * right


def ignore(progress: Progress) -> None:
    """No display."""


def request(folder: Path, reference: str, inputs: Prepared, outputs: int) -> dict[str, Any]:
    """What both jobs are asked with."""
    (folder / "job_nets.py").write_text(NETS)
    saved = inputs.save(folder / "inputs")
    return {"reference": reference, "base": folder, "inputs": saved, "outputs": outputs, "seed": 0, "threads": 1}


def trained(folder: Path, common: dict[str, Any], labels: Array, **changes: Any) -> dict[str, Any]:
    np.save(folder / "labels.npy", labels)
    np.save(folder / "rows.npy", np.arange(len(labels) // 2))
    given: dict[str, Any] = {"kind": "classification", "settings": TrainingSettings(epochs=2)} | changes
    done = train_and_export(
        **common,
        **given,
        labels_path=folder / "labels.npy",
        rows=folder / "rows.npy",
        to=folder / "trained.onnx",
        report=ignore,
    )
    json.dumps(done)
    return done


def run(made: dict[str, Any], batch: dict[str, Array]) -> Array:
    session = onnxruntime.InferenceSession(made["path"], providers=["CPUExecutionProvider"])
    output: Array = session.run(None, batch)[0]
    return output


PADDED = {"input_ids": 0, "attention_mask": 0, "token_type_ids": 0}


def sentences(count: int) -> Prepared:
    generator = np.random.default_rng(0)
    lengths = generator.integers(2, 9, count)
    mask = (np.arange(9) < lengths[:, None]).astype(np.int64)
    arrays = {
        "input_ids": generator.integers(1, 20, (count, 9)) * mask,
        "attention_mask": mask,
        "age": generator.standard_normal((count, 1)),
    }
    return Prepared(arrays, lengths, {"input_ids": 0, "attention_mask": 0})


def test_texts_beside_a_number_are_trained_and_exported_with_their_names(tmp_path: Path) -> None:
    inputs = sentences(120)
    common = request(tmp_path, "job_nets:Words", inputs, 2)
    done = trained(tmp_path, common, (inputs.arrays["age"][:, 0] > 0).astype(np.int64))
    untrained = export_untrained(**common, to=tmp_path / "untrained.onnx")
    assert {spec["name"] for spec in done["signature"]["inputs"]} == set(inputs.arrays)
    assert done["signature"] == untrained["signature"]
    shortest = inputs.take([int(inputs.lengths.argmin())] if inputs.lengths is not None else []).trimmed()
    batch = dict(shortest.arrays) | {"age": shortest.arrays["age"].astype(np.float32)}
    assert run(done, batch).shape == run(untrained, batch).shape == (1, 2)
    assert not np.allclose(run(done, batch), run(untrained, batch))


def test_an_exported_program_is_written_for_the_rows_of_its_names(tmp_path: Path) -> None:
    free = {0: torch.export.Dim("batch")}
    program = torch.export.export(Sum(), (torch.zeros(2, 3), torch.zeros(2, 3)), dynamic_shapes=(free, free))
    torch.export.save(program, tmp_path / "sum.pt2")
    rows = np.random.default_rng(0).standard_normal((20, 3))
    common = request(tmp_path, "sum.pt2", Prepared({"right": rows, "unused": rows, "left": rows}), 3)
    done = export_untrained(**common, to=tmp_path / "sum.onnx")
    batch = rows[:2].astype(np.float32)
    assert np.allclose(run(done, {"left": batch, "right": batch}), 3 * batch)
    with pytest.raises(DataError, match=r"rows with left.*\n.*left, right"):
        export_untrained(
            **request(tmp_path, "sum.pt2", Prepared({"left": rows, "age": rows}), 3), to=tmp_path / "no.onnx"
        )


class Normed(nn.Module):
    """A batch norm between two named inputs and the scores; counts its calls."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm, self.calls = norm, 0

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """(rows, 3), (rows, 3) -> (rows, 3)."""
        self.calls += 1
        scores: Tensor = self.norm(left + right)
        return scores


def test_norms_are_settled_with_named_inputs_where_there_are_any() -> None:
    rows = Prepared({"left": np.full((90, 3), 5.0), "right": np.ones((90, 3))})
    norm = nn.BatchNorm1d(3, momentum=1.0)
    settle_norms(Normed(norm), rows)
    assert norm.running_mean is not None
    assert torch.allclose(norm.running_mean, torch.full((3,), 6.0))
    plain = Normed(nn.Identity())
    settle_norms(plain, rows)
    assert plain.calls == 0


def test_a_hugging_face_folder_is_fine_tuned_by_name(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    (tmp_path / "bert").mkdir()
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    network = transformers.BertModel(transformers.BertConfig(vocab_size=20, max_position_embeddings=16, **sizes))
    network.save_pretrained(tmp_path / "bert")
    words = {f"w{number}": number for number in range(19)} | {"[UNK]": 19}
    Tokenizer(WordLevel(words, "[UNK]")).save(str(tmp_path / "bert" / "tokenizer.json"))
    inputs = sentences(120)
    inputs = Prepared({**inputs.arrays, "token_type_ids": inputs.arrays["attention_mask"] * 0}, inputs.lengths, PADDED)
    common = request(tmp_path, "bert", inputs, 2)
    done = trained(tmp_path, common, np.arange(120) % 2, settings=TrainingSettings(epochs=1, batch=16))
    assert done["settings"]["pretrained"]
    assert done["settings"]["learning_rate"] == pytest.approx(2e-4 / 2**0.5)
    names = [spec["name"] for spec in done["signature"]["inputs"]]
    assert "input_ids" in names
    assert "age" not in names
    batch = inputs.take(np.arange(4)).trimmed().renamed(names)
    assert run(done, dict(batch.arrays)).shape == (4, 2)


def test_scikit_learn_is_fitted_in_one_go_on_its_rows(tmp_path: Path) -> None:
    pytest.importorskip("skl2onnx")
    inputs, labels = load_breast_cancer(return_X_y=True)
    common = request(tmp_path, "sklearn:DecisionTreeClassifier(max_depth=4)", Prepared({"": inputs}), 2)
    done = trained(tmp_path, common, labels)
    assert (done["epochs"], done["best_epoch"], done["history"], done["validation"]) == (1, 1, [], None)
    assert done["why"] == ["fitted by scikit-learn on all 284 rows at once"]
    assert done["settings"]["time_limit_s"] is None
    unseen = inputs[284:].astype(np.float32)
    assert (run(done, {"input": unseen}).argmax(1) == labels[284:]).mean() > 0.85
    with pytest.raises(ModelError, match="not fitted"):
        export_untrained(**common, to=tmp_path / "untrained.onnx")


def test_scikit_learn_regressions_are_fitted_too(tmp_path: Path) -> None:
    pytest.importorskip("skl2onnx")
    inputs, labels = load_diabetes(return_X_y=True)
    done = trained(tmp_path, request(tmp_path, "sklearn:Ridge", Prepared({"": inputs}), 1), labels, kind="regression")
    errors = run(done, {"input": inputs[221:].astype(np.float32)})[:, 0] - labels[221:]
    assert np.sqrt(np.mean(errors**2)) < 0.85 * labels.std()


def test_a_file_that_is_taken_as_it_is_cannot_be_trained(tmp_path: Path) -> None:
    inputs = Prepared({"": np.zeros((4, 3))})
    exported = export_untrained(**request(tmp_path, "zoo:mlp(width=8)", inputs, 2), to=tmp_path / "net.onnx")
    common = request(tmp_path, exported["path"], inputs, 2)
    with pytest.raises(ModelError, match=r"cannot be trained\n.*zoo, torch, huggingface, sklearn"):
        trained(tmp_path, common, np.array([0, 1, 0, 1]))
    with pytest.raises(ModelError, match="cannot be exported"):
        export_untrained(**common, to=tmp_path / "again.onnx")
