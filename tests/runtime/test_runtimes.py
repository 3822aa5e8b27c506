"""Both runtimes behave alike behind the Session interface."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sartor.errors import CandidateError, InputError
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Array, Settings, outputs_agree

from .networks import FEATURES, write_dense, write_sum, write_unknown_operator

EVERY = pytest.mark.parametrize("name", list(RUNTIMES))


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dense(tmp_path_factory.mktemp("dense") / "net.onnx")


def rows(count: int) -> dict[str, Array]:
    return {"x": np.random.default_rng(1).standard_normal((count, FEATURES)).astype(np.float32)}


@EVERY
def test_fixed_shape_gives_the_same_as_dynamic(name: str, dense: Path) -> None:
    runtime = open_runtime(name)
    dynamic = runtime.load(dense, Settings()).run(rows(3))[0].copy()
    fixed = runtime.load(dense, Settings(shape="fixed", batch=3)).run(rows(3))[0]
    assert outputs_agree(dynamic, fixed) <= 1
    assert fixed.shape == (3, 5)


@EVERY
def test_fixed_shape_refuses_other_rows(name: str, dense: Path) -> None:
    session = open_runtime(name).load(dense, Settings(shape="fixed", batch=2))
    with pytest.raises(InputError, match="shape 3 x 16"):
        session.run(rows(3))


@EVERY
def test_a_file_of_fixed_rows_is_not_compiled_for_others(name: str, tmp_path: Path) -> None:
    path = write_dense(tmp_path / "net.onnx", batch=4)
    with pytest.raises(CandidateError, match="fixed to 4 rows, 2 were asked for"):
        open_runtime(name).load(path, Settings(shape="fixed", batch=2))
    assert open_runtime(name).load(path, Settings(shape="fixed", batch=4)).run(rows(4))[0].shape == (4, 5)


def test_runtimes_agree_with_each_other(dense: Path) -> None:
    first, second = (open_runtime(name).load(dense, Settings(threads=2)).run(rows(8))[0].copy() for name in RUNTIMES)
    assert outputs_agree(first, second) <= 1


@EVERY
def test_precision_is_read_back(name: str, dense: Path) -> None:
    runtime = open_runtime(name)
    assert runtime.load(dense, Settings()).precision() == "f32"
    if runtime.why_not("bf16") is None:
        assert runtime.load(dense, Settings(precision="bf16")).precision() == "bf16"


def test_onnxruntime_says_why_it_has_no_bf16(dense: Path) -> None:
    runtime = open_runtime("onnxruntime")
    assert "no bf16 kernels" in str(runtime.why_not("bf16"))
    with pytest.raises(CandidateError, match="no bf16 kernels"):
        runtime.load(dense, Settings(precision="bf16"))


@EVERY
def test_an_unknown_operator_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match=r"has no operator my\.ops.Frobnicate") as caught:
        open_runtime(name).load(write_unknown_operator(tmp_path / "odd.onnx"), Settings())
    assert caught.value.reason == "unsupported"


@EVERY
def test_a_file_that_is_no_model_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x00\x01hello")
    with pytest.raises(CandidateError) as caught:
        open_runtime(name).load(path, Settings())
    assert caught.value.reason == "unsupported"
    assert "\n" not in str(caught.value)


@EVERY
def test_wrong_dtype_is_the_callers_mistake(name: str, dense: Path) -> None:
    session = open_runtime(name).load(dense, Settings())
    with pytest.raises(InputError, match="`x` is float64"):
        session.run({"x": rows(1)["x"].astype(np.float64)})


@EVERY
def test_a_missing_input_is_named(name: str, dense: Path) -> None:
    session = open_runtime(name).load(dense, Settings())
    with pytest.raises(InputError, match="`x` is missing"):
        session.run({"pixels": rows(1)["x"]})


@EVERY
def test_read_only_and_strided_inputs_run(name: str, dense: Path) -> None:
    session = open_runtime(name).load(dense, Settings())
    expected = session.run(rows(4))[0].copy()
    frozen = rows(4)["x"]
    frozen.flags.writeable = False
    assert outputs_agree(expected, session.run({"x": frozen})[0]) <= 1
    assert outputs_agree(expected, session.run({"x": np.asfortranarray(rows(4)["x"])})[0]) <= 1


@EVERY
def test_several_strided_inputs_do_not_overwrite_each_other(name: str, tmp_path: Path) -> None:
    session = open_runtime(name).load(write_sum(tmp_path / "sum.onnx", 100_000), Settings())
    random = np.random.default_rng(0)
    left, right = (random.standard_normal((2, 200_000), dtype=np.float32)[:, ::2] for _ in range(2))
    assert outputs_agree(left + right, session.run({"left": left, "right": right})[0]) <= 1


@EVERY
def test_version_is_a_number(name: str) -> None:
    assert open_runtime(name).version()[0].isdigit()


def test_an_unknown_runtime_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean `openvino`"):
        open_runtime("openvno")


@pytest.mark.parametrize("module", ["sartor.runtime.onnxruntime", "sartor.runtime.openvino"])
def test_importing_a_runtime_imports_no_library(module: str) -> None:
    heavy = "{'onnxruntime', 'openvino', 'onnx', 'nncf', 'torch'}"
    check = f"import sys, {module}; assert not {heavy} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_telemetry_cannot_be_imported_and_stdout_stays_empty(dense: Path) -> None:
    check = (
        "import sys, pathlib; from sartor.runtime import RUNTIMES; from sartor.runtime.base import Settings;"
        f"[open_it().load(pathlib.Path({str(dense)!r}), Settings()) for open_it in RUNTIMES.values()];"
        "assert sys.modules['openvino_telemetry'] is None"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
