"""A fitted scikit-learn estimator as one ONNX file with one output of scores, proved against its source.

What scikit-learn computes in float64 the file computes in float32, and a row that sits on a threshold of a tree
may then fall to the other side: tree models are judged by the share of rows that agree. To leave few such rows,
both sides are given the same float32 rows, and thresholds are rounded down, so that x <= t holds for exactly the
same float32 x.

Letters used for shapes: n rows, f features, k columns of the output.
"""

from __future__ import annotations

import copy
import importlib.util
import math
import warnings
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sartor.errors import MissingExtraError, ModelError
from sartor.model.agreement import open_session
from sartor.model.export import publish_checked
from sartor.model.values import ExportedModel
from sartor.runtime.base import Array, outputs_agree
from sartor.steps.prepared import Prepared

if TYPE_CHECKING:
    from onnx import ModelProto

INPUT, OUTPUT, BATCH = "input", "output", "batch"
TREE_ROWS_AGREE = 0.999
"""Share of the rows on which a file of trees must agree with its source."""
_CHECKED_ROWS = 2000
_OPSETS = {"": 18, "ai.onnx.ml": 3}
# OpenVINO has none of scikit-learn's own operators: these also exist as matrix products.
_AVOIDED = {"LinearClassifier", "LinearRegressor", "Scaler"}


def require_converter(needed_for: str) -> None:
    """Raise when skl2onnx is not installed.

    Raises:
        MissingExtraError: with the install command.
    """
    if importlib.util.find_spec("skl2onnx") is None:
        raise MissingExtraError("skl2onnx", needed_for, "pip install 'sartor[sklearn]'")


def flat_rows(inputs: Prepared) -> Array:
    """All rows as (n, f) float32.

    Raises:
        ModelError: several arrays, rows that differ in length, or rows that are single numbers.
    """
    if len(inputs.arrays) != 1 or inputs.lengths is not None:
        names = ", ".join(inputs.arrays)
        came = "rows that differ in length" if inputs.lengths is not None else f"several inputs ({names})"
        raise ModelError(came, "one row of numbers of one length each", "scikit-learn takes tables")
    array = next(iter(inputs.arrays.values()))
    if array.ndim < 2:
        raise ModelError("rows that are single numbers", "rows of at least one feature", "add a reshape step")
    return np.ascontiguousarray(array, dtype=np.float32).reshape(len(array), -1)


def export(estimator: Any, inputs: Prepared, to: Path) -> ExportedModel:
    """Write one input (batch, ...) float32 -> `output` (batch, k) float32; rows of several dimensions are flattened.

    The input is called as the rows are, or `input`.
    The columns are probabilities where the estimator has them, else its decision values (for two classes: their
    negative and themselves), else negative distances to the centres of clusters, or the values of a regression: the
    largest column is always what `predict` says.

    Args:
        estimator: fitted.
        inputs: real rows, of which the first 2,000 are compared.
        to: the file to write; it appears only after the comparison.

    Raises:
        ModelError: no scores, no conversion, or scores that differ by more than rounding.
    """
    import onnx

    rows = flat_rows(inputs.take(slice(0, _CHECKED_ROWS)))
    (name, array), *_ = inputs.arrays.items()
    checks = [rows, _like(rows)]
    expected = [scores(estimator, check) for check in checks]
    model = _one_output(_converted(estimator, rows.shape[1]))
    _arrange(model, rows, expected[0])
    _declare(model, name or INPUT, array.shape[1:], expected[0].shape[1])
    checked = [check.reshape(-1, *array.shape[1:]) for check in checks]
    return publish_checked(
        to,
        lambda draft: onnx.save(model, draft),
        lambda draft: _compare(draft, estimator, checked, expected),
    )


def scores(estimator: Any, rows: Array) -> Array:
    """(n, k) float64: what the file's columns must be, in scikit-learn's own words.

    Raises:
        ModelError: the estimator gives neither scores nor values, or refuses the rows.
    """
    try:
        found = _scoring(estimator)(rows)
    except ValueError as error:
        name, reason = type(estimator).__name__, str(error).strip().splitlines()[0]
        raise ModelError(f"{name} cannot score these rows: {reason}", "rows like those it was fitted on") from None
    array = np.asarray(found, dtype=np.float64) if isinstance(found, np.ndarray) else None
    if array is None or array.ndim > 2:
        raise ModelError(f"{type(estimator).__name__} gives several outputs", "one label or value per row")
    return array.reshape(len(rows), -1)


def _scoring(estimator: Any) -> Callable[[Array], Any]:
    from sklearn.base import is_clusterer, is_outlier_detector, is_regressor

    if is_regressor(estimator):
        return lambda rows: estimator.predict(rows)
    if hasattr(estimator, "predict_proba"):
        return lambda rows: estimator.predict_proba(rows)
    if hasattr(estimator, "decision_function") and not is_outlier_detector(estimator):
        return lambda rows: _two_columns(np.asarray(estimator.decision_function(rows)))
    if is_clusterer(estimator) and hasattr(estimator, "predict") and hasattr(estimator, "transform"):
        return lambda rows: -estimator.transform(rows)
    raise ModelError(
        f"{type(estimator).__name__} gives no scores",
        "a classifier, a regressor, or clusters with centres",
        "end a pipeline with its classifier or regressor",
    )


def _two_columns(decisions: Array) -> Array:
    return np.stack([-decisions, decisions], axis=1) if decisions.ndim == 1 else decisions


def _like(rows: Array) -> Array:
    """Random rows (n, f) on the scale of each feature."""
    noise = np.random.default_rng(0).standard_normal(rows.shape)
    return np.asarray(rows.mean(axis=0) + noise * rows.std(axis=0), dtype=np.float32)


def _converted(estimator: Any, features: int) -> ModelProto:
    """What skl2onnx writes, with plain operators where it has them.

    Raises:
        ModelError: it writes neither; the reason is that for its own operators.
    """
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    try:
        return _convert(estimator, features, _AVOIDED)
    except Exception:  # noqa: BLE001 - many of its converters know no plain operators, and none says so by type
        pass
    try:
        return _convert(estimator, features, set())
    except (MissingConverter, MissingShapeCalculator) as error:
        came = f"{_missing(str(error)) or type(estimator).__name__} cannot be written as ONNX"
    except Exception as error:  # noqa: BLE001 - it raises whatever its parts raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        came = f"{type(estimator).__name__} cannot be written as ONNX: {reason}"
    raise ModelError(came, "what skl2onnx converts", "see https://onnx.ai/sklearn-onnx/supported.html")


def _convert(estimator: Any, features: int, avoided: set[str]) -> ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it reads attributes that scikit-learn is about to rename
        model: ModelProto = convert_sklearn(
            estimator,
            initial_types=[(INPUT, FloatTensorType([None, features]))],
            target_opset=_OPSETS,
            options=_options(estimator),
            custom_conversion_functions=_own_conversions(),
            black_op=avoided or None,
        )
    return model


def _options(estimator: Any) -> dict[int, dict[str, bool]]:
    """Options of the last step, where skl2onnx needs to be told.

    Linear decisions have plain operators as raw scores only. Any other last step of a pipeline gets no options,
    since skl2onnx 1.20 would find some that it then refuses.
    """
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if type(last).__name__ in ("LinearSVC", "RidgeClassifier", "RidgeClassifierCV"):
        return {id(last): {"raw_scores": True}}
    return {} if last is estimator else {id(last): {}}


def _missing(message: str) -> str:
    """The class that skl2onnx does not know, out of `... for type '<class 'package.Name'>'`."""
    return message.partition("<class '")[2].partition("'")[0].rpartition(".")[2]


def _own_conversions() -> dict[type, Callable[..., None]]:
    """Conversions of histogram-based boosting, whose nodes ONNX refuses as skl2onnx 1.20 passes them on."""
    from skl2onnx.common._registration import get_converter
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    def around(original: Callable[..., None]) -> Callable[..., None]:
        def conversion(scope: Any, operator: Any, container: Any) -> None:
            source, add_node = operator.raw_operator, container.add_node
            operator.raw_operator = _float32_thresholds(source)
            container.add_node = lambda *names, **attributes: add_node(*names, **_plain_integers(attributes))
            try:
                original(scope, operator, container)
            finally:
                operator.raw_operator, container.add_node = source, add_node

        return conversion

    kinds = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
    return {kind: around(get_converter(f"Sklearn{kind.__name__}")) for kind in kinds}


def _plain_integers(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes with unsigned integers and truth values as the integers that protobuf wants."""
    return {
        name: [int(item) if isinstance(item, (Integral, bool, np.bool_)) else item for item in value]
        if isinstance(value, list)
        else value
        for name, value in attributes.items()
    }


def _float32_thresholds(boosting: Any) -> Any:
    """The estimator with thresholds as float32 knows them."""
    rounded = copy.copy(boosting)
    rounded._predictors = [[_float32_tree(tree) for tree in trees] for trees in boosting._predictors]
    return rounded


def _float32_tree(tree: Any) -> Any:
    if tree.nodes["is_categorical"].any():  # skl2onnx would take them for splits on numbers
        raise NotImplementedError("splits on categorical features")
    rounded = copy.copy(tree)
    rounded.nodes = tree.nodes.copy()
    rounded.nodes["num_threshold"] = _round_down(tree.nodes["num_threshold"])
    return rounded


def _round_down(thresholds: Array) -> Array:
    """The largest float32 that is not above each threshold."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _one_output(model: ModelProto) -> ModelProto:
    """Keep the scores only: no labels, no list of dictionaries."""
    import onnx_ir
    from onnx import TensorProto, helper
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass, RemoveUnusedNodesPass, RemoveUnusedOpsetsPass

    graph = model.graph
    name = graph.output[-1].name
    listed = next((node for node in graph.node if node.op_type == "ZipMap" and name in node.output), None)
    name = name if listed is None else listed.input[0]
    graph.node.append(helper.make_node("Identity", [name], [OUTPUT], name=OUTPUT))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [BATCH, None]))
    versions = {opset.domain: opset.version for opset in model.opset_import}  # some are listed twice
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in versions.items())
    tidy = onnx_ir.from_proto(model)
    for clean in (RemoveUnusedNodesPass(), RemoveUnusedOpsetsPass(), ClearMetadataAndDocStringPass()):
        clean(tidy)
    return onnx_ir.to_proto(tidy)


def _arrange(model: ModelProto, rows: Array, wanted: Array) -> None:
    """Bring the columns into the order of `scores`, where skl2onnx has its own.

    Distances to centres and the decisions of a two-class SVC come negated; some two-class decisions come as one
    column.
    """
    from onnx import helper

    got = np.asarray(open_session(model.SerializeToString()).run([OUTPUT], {INPUT: rows})[0])
    last = next(node for node in model.graph.node if OUTPUT in node.output)
    if (got.shape[1], wanted.shape[1]) == (1, 2):
        last.output[0] = "decision"
        opposite = helper.make_node("Neg", ["decision"], ["opposite"])
        model.graph.node.extend([opposite, helper.make_node("Concat", ["opposite", "decision"], [OUTPUT], axis=1)])
    elif outputs_agree(-wanted, got) <= 1 < outputs_agree(wanted, got):
        last.op_type = "Neg"


def _declare(model: ModelProto, name: str, row_shape: tuple[int, ...], columns: int) -> None:
    """Name the input, state the shapes of input and output; rows of several dimensions are flattened first."""
    from onnx import TensorProto, helper

    graph = model.graph
    inner = f"{name}_flat" if len(row_shape) > 1 else name
    for node in graph.node:
        node.input[:] = [inner if taken == INPUT else taken for taken in node.input]
    if inner != name:
        graph.node.insert(0, helper.make_node("Flatten", [name], [inner], axis=1))
    graph.input[0].CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *row_shape]))
    graph.output[0].CopyFrom(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [BATCH, columns]))
    if "" not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(helper.make_opsetid("", _OPSETS[""]))


def _compare(path: Path, estimator: Any, checks: list[Array], expected: list[Array]) -> None:
    session = open_session(path)
    taken = session.get_inputs()[0].name
    trees = any(node.startswith("TreeEnsemble") for node in _operators(path))
    for rows, wanted in zip(checks, expected, strict=True):
        tolerance = 1e-4 + 1e-3 * float(np.abs(wanted).max())  # that of `outputs_agree`
        for count in {1, len(rows)}:
            got = np.asarray(session.run([OUTPUT], {taken: rows[:count]})[0])
            _check_equal(type(estimator).__name__, wanted[:count], got, tolerance, trees)


def _operators(path: Path) -> set[str]:
    import onnx

    return {node.op_type for node in onnx.load(path).graph.node}


def _check_equal(name: str, wanted: Array, got: Array, tolerance: float, trees: bool) -> None:
    if wanted.shape != got.shape:
        raise ModelError(f"the file of {name} gives shape {got.shape}, scikit-learn {wanted.shape}", "equal scores")
    difference = np.abs(wanted - got)
    agree = float(np.mean((difference <= tolerance).all(axis=1)))  # what is not a number never agrees
    if agree >= (TREE_ROWS_AGREE if trees and len(wanted) > 1 else 1):
        return
    largest = float(np.nanmax(difference)) if np.isfinite(difference).any() else math.nan
    raise ModelError(
        f"the file of {name} differs from scikit-learn by {largest:.3g} in `{OUTPUT}` "
        f"({agree:.2%} of {len(wanted)} rows agree, largest score {float(np.abs(wanted).max()):.3g})",
        f"{TREE_ROWS_AGREE:.1%} of the rows equal within rounding" if trees else "equal scores within rounding",
        "scale the features (StandardScaler) if their sizes differ much",
    )
