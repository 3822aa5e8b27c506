"""What must be true of the numbers of an int8 file on another kind of processor, with data and without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sartor.bundle.values import LimitResult
from sartor.errors import CandidateError
from sartor.fit.case import Case, confirm_rows, open_case
from sartor.fit.elsewhere import check_numbers
from sartor.fit.exactness import Numbers, exact_on, exact_without_data
from sartor.fit.int8_files import read_int8
from sartor.machine.device import Machine, this_machine
from sartor.measure.quality_bounds import Outputs
from sartor.model.values import ExportedModel
from sartor.plan.recipe import Recipe
from sartor.runtime import open_runtime
from sartor.runtime.base import Array
from sartor.steps.prepared import Prepared
from tests.compress.networks import rows, write_dense, write_residual
from tests.fit.elsewhere import AGREEMENT, AVX2, DYNAMIC, VNNI, Int8, needs_saturation, quantized, write_moved

LIKE = {"x": rows(1)}


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return write_dense(tmp_path_factory.mktemp("dense"))


@pytest.fixture(scope="module")
def residual(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return write_residual(tmp_path_factory.mktemp("residual"))


def outputs(case: Case, name: str, inputs: Array) -> Array:
    variant = case.variant(name)
    return open_runtime(variant.candidate.runtime).load(variant.path, variant.candidate.settings).run({"x": inputs})[0]


def checked(bundle: Path, *, met: bool = True) -> Numbers | None:
    """What is found with data; limits on quality are `met` or not."""
    case = open_case(bundle)
    confirm = confirm_rows(case, "rows.npz", bundle.parent)
    own, plain = (outputs(case, name, confirm.inputs).copy() for name in case.manifest.variants)
    results = [LimitResult(limit, None, met, "") for limit in case.limits]
    return check_numbers(case, results, confirm, Outputs(confirm.labels, own, plain), this_machine())


def unseen(bundle: Path) -> Numbers | None:
    """What is found without data."""
    case = open_case(bundle)
    results = [LimitResult(limit, None, not limit.is_quality, "") for limit in case.limits]
    return check_numbers(case, results, None, None, this_machine())


def drawn(int8: Int8) -> Numbers:
    return exact_without_data(int8.variant, LIKE, None, this_machine())


# With data


@needs_saturation
def test_what_saturates_without_harm_agrees_with_f32_and_is_opened(residual: ExportedModel, tmp_path: Path) -> None:
    found = checked(write_moved(tmp_path / "it", quantized(residual, VNNI, tmp_path / "built")))
    assert found is not None
    assert found.passed
    assert found.how.startswith("agreement 1 [")
    assert found.how.endswith("with the f32 variant on 178 rows of confirm, >= 0.9642 is asked")


@needs_saturation
def test_what_saturates_and_does_not_agree_is_not(
    dense: ExportedModel, residual: ExportedModel, tmp_path: Path
) -> None:
    found = checked(write_moved(tmp_path / "it", quantized(dense, VNNI, tmp_path / "built"), reference=residual))
    assert found is not None
    assert not found.passed
    assert "agreement" in found.how
    assert "wrong sums of 8-bit products on 16 rows of the data, in m1" in found.how


def test_what_no_limit_forbids_may_be_lost_as_long_as_kernels_are_exact(
    dense: ExportedModel, residual: ExportedModel, tmp_path: Path
) -> None:
    found = checked(write_moved(tmp_path / "it", quantized(dense, AVX2, tmp_path / "built"), reference=residual))
    assert found is not None
    assert found.passed
    assert "agreement" in found.how
    assert "integer kernels give what the file says on 16 rows of the data" in found.how
    assert found.how.endswith("what it lost by rounding it had lost where it was proved")


@pytest.mark.parametrize("met", [True, False])
def test_where_quality_is_limited_its_limits_decide(met: bool, dense: ExportedModel, tmp_path: Path) -> None:
    bundle = write_moved(tmp_path / "it", quantized(dense, AVX2, tmp_path / "built"), AGREEMENT)
    found = checked(bundle, met=met)
    assert found == Numbers(met, "agreement >= 0.9 on 178 rows of confirm")
    missing = unseen(bundle)
    assert missing is not None
    assert not missing.passed
    assert "--data" in missing.how


def test_on_the_kind_of_processor_of_its_own_proof_nothing_is_asked(dense: ExportedModel, tmp_path: Path) -> None:
    int8 = quantized(dense, VNNI, tmp_path / "built")
    assert unseen(write_moved(tmp_path / "it", int8, isa_class=this_machine().isa_class)) is None


def test_a_file_in_f32_needs_no_check(dense: ExportedModel, tmp_path: Path) -> None:
    int8 = quantized(dense, AVX2, tmp_path / "built")
    plain = replace(int8.variant.candidate, recipe=Recipe())
    variant = replace(int8.variant, candidate=plain, path=dense.path)
    assert unseen(write_moved(tmp_path / "it", replace(int8, variant=variant))) is None


# Without data


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_seven_bits_are_exact_on_every_row(runtime: str, residual: ExportedModel, tmp_path: Path) -> None:
    found = drawn(quantized(residual, AVX2, tmp_path / "built", runtime=runtime))
    assert found.passed, found.how
    assert "16 rows drawn within the range of its input" in found.how


@needs_saturation
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_eight_bits_are_caught(runtime: str, residual: ExportedModel, tmp_path: Path) -> None:
    assert not drawn(quantized(residual, VNNI, tmp_path / "built", runtime=runtime)).passed


@needs_saturation
def test_dynamic_files_take_any_range(dense: ExportedModel, tmp_path: Path) -> None:
    assert drawn(quantized(dense, AVX2, tmp_path / "seven", recipe=DYNAMIC)).passed
    found = drawn(quantized(dense, VNNI, tmp_path / "eight", recipe=DYNAMIC))
    assert not found.passed
    assert "m1_quant" in found.how


def test_eight_bits_that_did_not_saturate_prove_nothing_of_other_rows(residual: ExportedModel, tmp_path: Path) -> None:
    """Weights are taken out of the way of saturation, all but one, whose partners are 0."""
    import onnx
    from onnx import numpy_helper

    int8 = quantized(residual, AVX2, tmp_path / "built")
    model = onnx.load(int8.variant.path)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "c2_quantized")
    values = np.zeros(tuple(weight.dims), np.int8)
    values[:, 0, 1, 1] = 127
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, int8.variant.path)
    found = exact_without_data(int8.variant, LIKE, None, AVX2)
    assert not found.passed
    assert found.how.startswith("unproven: integer kernels give what the file says")
    assert "weights of up to 127" in found.how
    assert "--data" in found.how
    few = exact_on(int8.variant, Prepared({"x": rows(4)}), None, AVX2)
    assert few.how.startswith("unproven: integer kernels give what the file says on 4 rows of the data, but")
    assert exact_without_data(int8.variant, LIKE, None, VNNI).passed, "sums in 32 bits hold whatever comes"


def test_tokens_cannot_be_drawn(dense: ExportedModel, tmp_path: Path) -> None:
    int8 = quantized(dense, AVX2, tmp_path / "built")
    found = exact_without_data(int8.variant, {"x": np.ones((1, 1, 12, 12), np.int64)}, None, this_machine())
    assert not found.passed
    assert "whole numbers" in found.how
    assert "--data" in found.how


def test_an_input_without_a_range_cannot_be_drawn(dense: ExportedModel, tmp_path: Path) -> None:
    int8 = quantized(dense, AVX2, tmp_path / "built")
    found = exact_without_data(int8.variant, {"other": rows(1)}, None, this_machine())
    assert found.how == (
        "unproven: the file declares no range for its input `other`; give the bundle's data with --data SOURCE"
    )


def test_bf16_has_no_exact_form(dense: ExportedModel, tmp_path: Path) -> None:
    found = drawn(quantized(dense, AVX2, tmp_path / "built", runtime="openvino", precision="bf16"))
    assert not found.passed
    assert found.how.startswith("unproven: bf16")


def test_a_file_of_one_fixed_batch_is_asked_in_full_calls(tmp_path: Path) -> None:
    bundle = write_moved(tmp_path / "it", quantized(write_residual(tmp_path, batch=3), AVX2, tmp_path / "built"))
    found = unseen(bundle)
    assert found is not None
    assert found.passed
    assert "on 3 rows drawn" in found.how


# What a file says of itself


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("machine", "largest"), [(AVX2, 64), (VNNI, 127)])
def test_a_file_declares_its_range_and_its_weights(
    runtime: str, machine: Machine, largest: int, dense: ExportedModel, tmp_path: Path
) -> None:
    int8 = quantized(dense, machine, tmp_path / "built", runtime=runtime)
    file = read_int8(int8.variant.path)
    assert file.largest_weight == largest
    assert file.saturates_nowhere == (largest == 64)
    low, high = file.ranges["x"]  # behind a Flatten
    seen = rows(24)
    assert low == pytest.approx(seen.min(), rel=0.25)
    assert high == pytest.approx(seen.max(), rel=0.05)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.xml").write_text("no network")
    with pytest.raises(CandidateError, match="OpenVINO refuses the file"):
        read_int8(tmp_path / "model.xml")
