"""Training: it learns, keeps the best weights, ends in time, and repeats itself."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from sartor.errors import CandidateError, ModelError
from sartor.model.zoo import build
from sartor.steps.prepared import Prepared
from sartor.train.job import export_untrained, train_and_export
from sartor.train.loop import train
from sartor.train.values import Progress, TrainedModel, TrainingJob, TrainingSettings

pytest.importorskip("torch")
import torch

Array = NDArray[Any]


def sole(inputs: Array) -> Prepared:
    """Rows of one array without a name."""
    return Prepared({"": inputs})


def rows_of(*shape: int) -> Prepared:
    """Two rows to build a model for."""
    return sole(np.zeros((2, *shape), np.float32))


def ignore(progress: Progress) -> None:
    """No display."""


def digits() -> tuple[Array, Array]:
    loaded = load_digits()
    return (loaded.images[:, None] / 16).astype(np.float32), loaded.target


def thirds(count: int, labels: Array) -> tuple[Array, Array]:
    """Row numbers to train on and to test on, shuffled."""
    order = np.random.default_rng(0).permutation(count)
    return order[: 2 * count // 3], order[2 * count // 3 :]


def noisy_job(**changes: Any) -> TrainingJob:
    """Small and hard to learn, so that validation goes up and down."""
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((300, 6)).astype(np.float32)
    labels = (inputs[:, 0] + generator.standard_normal(300) > 0).astype(np.int64)
    settings = changes.pop("settings", TrainingSettings(epochs=12, learning_rate=0.02))
    return TrainingJob(
        lambda: build("mlp", rows_of(6), 2, width=32), sole(inputs), labels, 2, settings=settings, **changes
    )


def predict(trained: TrainedModel, inputs: Array) -> Array:
    with torch.no_grad():
        outputs: Array = trained.module(torch.from_numpy(inputs)).numpy()
    return outputs


def test_digits_are_learnt_by_the_cnn() -> None:
    inputs, labels = digits()
    fitted, tested = thirds(len(labels), labels)
    job = TrainingJob(lambda: build("cnn", rows_of(1, 8, 8), 10), sole(inputs), labels, 10, rows=fitted)
    trained = train(job, ignore)
    assert (predict(trained, inputs[tested]).argmax(1) == labels[tested]).mean() >= 0.97


def test_tables_are_learnt_by_the_mlp() -> None:
    loaded = load_breast_cancer()
    fitted, tested = thirds(len(loaded.target), loaded.target)
    scaled = (loaded.data - loaded.data[fitted].mean(0)) / loaded.data[fitted].std(0)
    inputs, labels = scaled.astype(np.float32), loaded.target
    trained = train(TrainingJob(lambda: build("mlp", rows_of(30), 2), sole(inputs), labels, 2, rows=fitted), ignore)
    assert (predict(trained, inputs[tested]).argmax(1) == labels[tested]).mean() >= 0.95


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_regression_gives_real_units(wrapped: bool) -> None:
    loaded = load_diabetes()
    inputs = (loaded.data * 21).astype(np.float32)

    def make() -> torch.nn.Module:
        module = build("mlp", rows_of(10), 1, width=32)
        return torch.nn.Sequential(module) if wrapped else module

    trained = train(TrainingJob(make, sole(inputs), loaded.target * 1000, 1, "regression"), ignore)
    outputs = predict(trained, inputs)[:, 0]
    rmse = np.sqrt(np.mean((outputs - loaded.target * 1000) ** 2))
    assert rmse < 0.8 * np.std(loaded.target * 1000)
    assert 0.3 * rmse < trained.validation < 3 * rmse


def test_the_best_weights_are_kept() -> None:
    trained = train(noisy_job(), ignore)
    scores = [figures.validation for figures in trained.history]
    assert len(set(scores)) > 1
    assert trained.validation == max(scores) == scores[trained.best_epoch - 1]


def test_hopeless_training_stops_early() -> None:
    settings = TrainingSettings(epochs=200, learning_rate=0.02)
    trained = train(noisy_job(settings=settings), ignore)
    assert len(trained.history) < 200


def test_equal_seeds_give_equal_weights_and_leave_torch_as_it_was() -> None:
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first, again, other = (train(noisy_job(seed=seed), ignore) for seed in (3, 3, 4))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads
    weights = [trained.module.state_dict()["head.weight"] for trained in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_time_limit_is_kept_and_the_rate_reaches_zero() -> None:
    settings = TrainingSettings(epochs=100_000, learning_rate=0.01, time_limit_s=1.5)
    started = time.perf_counter()
    trained = train(noisy_job(settings=settings), ignore)
    assert time.perf_counter() - started < 5  # far above the limit: the machine may be shared
    assert trained.history[-1].learning_rate < 0.002 or len(trained.history) < 100


def test_progress_is_reported_for_a_live_display() -> None:
    seen: list[Progress] = []
    trained = train(noisy_job(), seen.append)
    assert {progress.epoch for progress in seen} == set(range(1, 13))
    assert seen[0].validation is None
    assert seen[-1].validation == trained.history[-1].validation
    assert seen[-1].seconds_left == 0
    json.dumps(seen[-1].as_dict())


def test_a_loss_that_explodes_fails_the_candidate_with_a_reason() -> None:
    job = noisy_job()
    job.inputs.arrays[""][:] = np.inf
    with pytest.raises(CandidateError, match="failed: the training loss became nan at epoch 1, step 1"):
        train(job, ignore)


def test_outputs_that_do_not_fit_the_labels_are_refused() -> None:
    inputs, labels = digits()
    with pytest.raises(ModelError, match="10 classes"):
        train(TrainingJob(lambda: build("mlp", rows_of(1, 8, 8), 3), sole(inputs), labels, 10), ignore)


def test_a_setting_out_of_range_is_refused() -> None:
    with pytest.raises(ModelError, match="epochs 0"):
        train(noisy_job(settings=TrainingSettings(epochs=0)), ignore)


def test_a_job_on_files_returns_plain_values_and_a_file_that_runs(tmp_path: Path) -> None:
    inputs, labels = digits()
    saved = sole(inputs).save(tmp_path / "inputs")
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "rows.npy", np.arange(400))
    common: dict[str, Any] = {"reference": "zoo:cnn(width=8)", "base": tmp_path, "inputs": saved}
    common |= {"outputs": 10, "seed": 0, "threads": 1}
    done = train_and_export(
        **common,
        labels_path=tmp_path / "labels.npy",
        rows=tmp_path / "rows.npy",
        kind="classification",
        settings=TrainingSettings(epochs=2),
        to=tmp_path / "trained.onnx",
        report=ignore,
    )
    untrained = export_untrained(**common, to=tmp_path / "untrained.onnx")
    json.dumps([done, untrained])
    assert (done["epochs"], len(done["history"])) == (2, 2)
    assert done["signature"] == untrained["signature"]
    assert done["parameters"] == untrained["parameters"]
    session = onnxruntime.InferenceSession(done["path"], providers=["CPUExecutionProvider"])
    assert session.run(None, {"input": inputs[:3]})[0].shape == (3, 10)


@pytest.mark.parametrize("channels", [4, 8])
def test_narrow_strided_passages_are_trained_on_one_thread(channels: int) -> None:
    """Torch 2.13 crashed here with the channels last and fewer than 8 of them."""
    random = np.random.default_rng(0)
    pictures, labels = random.random((512, channels, 28, 28), np.float32), np.arange(512) % 2

    def make() -> torch.nn.Module:
        narrow = torch.nn.Conv2d(channels, 8, 1, stride=2)
        return torch.nn.Sequential(narrow, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 14 * 14, 2))

    settings = TrainingSettings(epochs=2, batch=256)
    trained = train(TrainingJob(make, sole(pictures), labels, 2, settings=settings, threads=1), ignore)
    assert len(trained.history) == 2
