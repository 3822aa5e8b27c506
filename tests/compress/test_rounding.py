"""Files that train through the roundings of int8: same weights, the int8 file's answers, and what training wins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper
from sklearn.datasets import load_digits

from sartor.compress.build import build
from sartor.compress.onnx_file import read_whole
from sartor.compress.rounding import Rounded, rounded_in_training
from sartor.errors import CandidateError
from sartor.machine.device import Machine
from sartor.model.onnx import read_signature
from sartor.model.values import ExportedModel
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime.base import Array
from sartor.steps.prepared import Prepared
from tests.compress import prunable
from tests.compress.networks import rows, write_residual, write_without_weights

pytest.importorskip("torch")
import torch

from sartor.train.answers import Answers
from sartor.train.loop import train
from sartor.train.onnx_module import OnnxModule
from sartor.train.recovery import Recovery, recover
from sartor.train.values import Progress, TrainingJob, TrainingSettings

STATIC = CompressionStep("int8-static", (("calibration", "minmax"),))
AVX2 = Machine("Old", "x86_64", 2, ("avx2",), 2**33, "Linux 5", "3.11")
VNNI = Machine("New", "x86_64", 2, ("avx2", "avx512_vnni"), 2**33, "Linux 5", "3.11")
WIDTH = 16


def rounded(source: ExportedModel, to: Path, machine: Machine = AVX2, step: CompressionStep = STATIC) -> Rounded:
    return rounded_in_training(source, Prepared({"x": rows(64)}), step, machine, to / "rounded")


def exported(path: Path) -> ExportedModel:
    return ExportedModel(path, read_signature(path), 0)


def answers(path: Path, inputs: Array) -> Array:
    """As the file says, without fusing anything."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    given: Array = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    return given


def weights(model: ModelProto) -> dict[str, TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def error(got: Array, expected: Array) -> float:
    return float(np.mean((got - expected) ** 2) / np.var(expected))


def test_both_files_have_the_same_weights_by_the_same_names(tmp_path: Path) -> None:
    found = rounded(write_residual(tmp_path), tmp_path)
    student, trained_as = (weights(read_whole(path)) for path in (found.student, found.trained_as))
    assert {"c1", "c2", "c3", "fc", "fb"} <= student.keys()
    assert all(trained_as[name] == tensor for name, tensor in student.items())
    assert sorted(path.name for path in found.student.parent.iterdir()) == ["student.onnx", "trained_as.onnx"]


def test_training_nothing_changes_nothing(tmp_path: Path) -> None:
    found = rounded(write_residual(tmp_path), tmp_path)
    module, student = OnnxModule(read_whole(found.trained_as)), read_whole(found.student)
    assert module.weights.keys() == {"c1", "c2", "c3", "fc", "fb"}
    module.write_to(student)
    assert weights(student) == weights(read_whole(found.student))


@pytest.mark.parametrize("machine", [AVX2, VNNI], ids=["7 bits", "8 bits"])
def test_it_answers_what_the_int8_file_answers(tmp_path: Path, machine: Machine) -> None:
    source, x = write_residual(tmp_path, outlier=20.0), rows(100, seed=9)
    found = rounded(source, tmp_path, machine)
    stored = build(
        Recipe((STATIC,)), source, "onnxruntime", Prepared({"x": rows(64)}), tmp_path / "int8", machine=machine
    )
    plain, int8 = answers(source.path, x), answers(stored.path, x)
    assert error(answers(found.trained_as, x), int8) < 0.02 * error(int8, plain)
    with torch.no_grad():
        (mine,) = OnnxModule(read_whole(found.trained_as))(torch.from_numpy(x)).values()
    assert error(mine.numpy(), int8) < 0.02 * error(int8, plain)
    assert error(answers(found.student, x), plain) < 1e-10


def test_scales_follow_the_weights(tmp_path: Path) -> None:
    """A weight that grows is rounded on a wider grid, not cut."""
    found, x = rounded(write_residual(tmp_path), tmp_path), rows(20)
    plain, through = read_whole(found.student), read_whole(found.trained_as)
    for model in (plain, through):
        tensor = weights(model)["fc"]
        tensor.CopyFrom(numpy_helper.from_array(3 * numpy_helper.to_array(tensor), "fc"))
    paths = [tmp_path / name for name in ("plain.onnx", "through.onnx")]
    for model, path in zip((plain, through), paths, strict=True):
        model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 10]))
        onnx.save(model, path)
    span = np.abs(answers(found.student, x)).max()
    assert np.abs(answers(paths[1], x)).max() > 0.9 * span


def older() -> ModelProto:
    """A convolution and a product, in an operator set in which a maximum takes its axes as an attribute."""
    d = prunable.Drawing()
    x = d.add("Relu", d.conv("x", "one", 2, 16))
    mean = d.add("Flatten", d.add("GlobalAveragePool", x))
    return d.done(d.dense(mean, "head", 16, 4), {"x": prunable.PICTURE}, 4, opset=13)


def embedding() -> ModelProto:
    """A table of words, each of which has a number of its own, and a product."""
    d = prunable.Drawing()
    spread = d.add("Abs", d.add("Mul", "x", d.constant("ten", np.float32(10))))
    words = d.add("CastLike", spread, d.constant("whole", np.int64(0)))
    mean = d.add("ReduceMean", d.add("Gather", d.weight("table", 50, 16), words), d.constant("one", [1]), keepdims=0)
    return d.done(d.dense(mean, "head", 16, 4), {"x": ("batch", 6)}, 4)


def dead() -> ModelProto:
    """A convolution one of whose channels has no weights but zeros."""
    d = prunable.Drawing()
    x = d.add("Relu", d.conv("x", "one", 2, 16))
    weight = numpy_helper.to_array(d.constants[0]).copy()
    weight[3] = 0
    d.constants[0].CopyFrom(numpy_helper.from_array(weight, "one"))
    mean = d.add("Flatten", d.add("GlobalAveragePool", x))
    return d.done(d.dense(mean, "head", 16, 4), {"x": prunable.PICTURE}, 4)


OTHERS = (prunable.encoder, prunable.mobile, prunable.residual, prunable.gated, older, embedding, dead)


@pytest.mark.parametrize("network", OTHERS, ids=lambda network: network.__name__)
def test_other_networks_can_be_trained_through_it(tmp_path: Path, network: prunable.Network) -> None:
    onnx.save(network(), str(tmp_path / "net.onnx"))
    inputs = Prepared(prunable.rows_of(network(), batch=16))
    source = exported(tmp_path / "net.onnx")
    found = rounded_in_training(source, inputs, STATIC, AVX2, tmp_path / "rounded")
    module = OnnxModule(read_whole(found.trained_as))
    assert module.weights.keys() == OnnxModule(read_whole(found.student)).weights.keys()
    (given,) = module(*(torch.from_numpy(array) for array in inputs.arrays.values())).values()
    given.square().mean().backward()
    assert all(weight.grad is not None and bool(weight.grad.isfinite().all()) for weight in module.weights.values())
    stored = build(Recipe((STATIC,)), source, "onnxruntime", inputs, tmp_path / "int8", machine=AVX2)
    x = next(iter(inputs.arrays.values()))
    assert error(given.detach().numpy(), answers(stored.path, x)) < 0.01


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (CompressionStep("int8-dynamic"), "only int8 static is trained"),
        (CompressionStep("int8-static", (*STATIC.settings, ("bias", "corrected"))), "`bias` would change"),
        (CompressionStep("int8-static", (*STATIC.settings, ("equalise", 0.7))), "`equalise` would change"),
    ],
)
def test_what_is_not_stored_as_it_was_trained_is_refused(tmp_path: Path, step: CompressionStep, why: str) -> None:
    with pytest.raises(CandidateError, match=why) as caught:
        rounded(write_residual(tmp_path), tmp_path, step=step)
    assert caught.value.reason == "unsupported"


def test_a_network_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="no weight would be rounded"):
        rounded(write_without_weights(tmp_path), tmp_path)


def separable() -> ModelProto:
    """A small MobileNet: depthwise convolutions, whose channels nothing averages, between those of 1 x 1."""
    d = prunable.Drawing()
    x = d.add("Relu", d.conv("x", "w0", 1, WIDTH, strides=[2, 2]))
    for number, (kernel, groups) in enumerate([(3, WIDTH), (1, 1), (3, WIDTH), (1, 1)]):
        x = d.add("Relu", d.conv(x, f"w{number + 1}", WIDTH, WIDTH, kernel, group=groups))
    mean = d.add("Flatten", d.add("GlobalAveragePool", x))
    for tensor in d.constants:  # a Relu halves what it is given (He et al. 2015, arXiv 1502.01852)
        scale = np.sqrt(2) if len(tensor.dims) > 1 else 0.0
        tensor.CopyFrom(numpy_helper.from_array((numpy_helper.to_array(tensor) * scale).astype("f"), tensor.name))
    return d.done(d.dense(mean, "head", WIDTH, 10), {"x": ("batch", 1, 8, 8)}, 10)


def learn(model: ModelProto, x: Array, labels: NDArray[np.int64]) -> None:
    """Train it from nothing."""
    network = OnnxModule(model)
    settings = TrainingSettings(epochs=20, batch=32, learning_rate=0.01)
    train(TrainingJob(lambda: Answers(network, "logits"), Prepared({"x": x}), labels, 10, settings=settings), ignore)
    network.write_to(model)


def make_uneven(model: ModelProto, size: float) -> None:
    """Scale channels between layers, which changes no answer, since the next layer divides by it.

    Channels of trained MobileNets differ so (Nagel et al. 2019, arXiv 1906.04721, figure 2): small ones are lost in the
    levels of large ones.
    """
    tensors, before = weights(model), np.ones(1, np.float32)
    for number in range(5):
        after = np.exp(size * np.random.default_rng(number).standard_normal(WIDTH)).astype(np.float32)
        weight, bias = (numpy_helper.to_array(tensors[f"w{number}{part}"]) for part in ("", ".bias"))
        read = before.reshape(-1, 1, 1, 1) if weight.shape[1] == 1 else before.reshape(1, -1, 1, 1)
        scaled = {f"w{number}": weight * after.reshape(-1, 1, 1, 1) / read, f"w{number}.bias": bias * after}
        for name, values in scaled.items():
            tensors[name].CopyFrom(numpy_helper.from_array(values, name))
        before = after
    head = numpy_helper.to_array(tensors["head"]) / before[:, None]
    tensors["head"].CopyFrom(numpy_helper.from_array(head, "head"))


def ignore(progress: Progress) -> None:
    """No display."""


def test_training_through_the_roundings_wins_back_what_they_take(tmp_path: Path) -> None:
    digits = load_digits()
    x, labels = (digits.images[:, None] / 16).astype(np.float32), digits.target
    order = np.random.default_rng(0).permutation(len(x))
    fitted, tested = order[:800], order[800:]
    model = separable()
    learn(model, x[fitted], labels[fitted])
    make_uneven(model, 0.9)
    onnx.save(model, tmp_path / "net.onnx")
    source = exported(tmp_path / "net.onnx")
    found = rounded_in_training(source, Prepared({"x": x[fitted]}), STATIC, AVX2, tmp_path / "rounded")

    def accuracy(network: Path) -> float:
        return float((answers(network, x[tested]).argmax(1) == labels[tested]).mean())

    def in_int8(network: Path) -> float:
        inputs = Prepared({"x": x[fitted]})
        to = tmp_path / f"{network.stem}-int8"
        return accuracy(build(Recipe((STATIC,)), exported(network), "onnxruntime", inputs, to, machine=AVX2).path)

    def recovered(trained_as: Path | None, to: Path) -> Path:
        recovery = Recovery(
            *(found.student, source.path, to, Prepared({"x": x}), None, fitted, "classification", "y"),
            TrainingSettings(epochs=4, batch=32),
            trained_as=trained_as,
        )
        recover(recovery, ignore)
        return to

    whole, before = accuracy(source.path), in_int8(source.path)
    plain = in_int8(recovered(None, tmp_path / "plain.onnx"))
    through = in_int8(recovered(found.trained_as, tmp_path / "through.onnx"))
    assert whole - through < 0.4 * min(whole - before, whole - plain)
