"""scikit-learn: estimators by class name, or what the user's callable returns, fitted and written as ONNX.

Letters used for shapes: n rows, f features, k columns of the output.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np

from sartor.errors import ModelError, UserCodeError, nearest
from sartor.model.torch import call_builder, importable, load_builder
from sartor.model.values import ExportedModel, Model
from sartor.runtime.base import Array
from sartor.steps.prepared import Prepared

PREFIX = "sklearn:"
_CLASS = re.compile(r"^(?P<name>[A-Za-z_]\w*)\s*(?:\((?P<settings>.*)\))?\s*$", re.DOTALL)
_CALLABLE = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")
_FORMS = "sklearn:Class(setting=value, ...) or sklearn:package.module:callable"
_EXAMPLE = "sklearn:HistGradientBoostingClassifier(max_iter=200)"
# Where nearly every reference is found; to list all of scikit-learn imports all of it, which takes seconds.
_COMMON = ("ensemble", "linear_model", "tree", "svm", "neural_network", "cluster", "neighbors", "naive_bayes")
_WORDS = {"true": True, "false": False, "none": None, "null": None}


def open_sklearn(reference: str, base: Path) -> Model:
    """Read `sklearn:Class(settings)` or `sklearn:package.module:callable`; a callable is not called yet.

    A callable may return a fitted estimator, which is never fitted again: that is seen when it is built.

    Raises:
        ModelError: unknown class or setting, a value that the class refuses, or no such module.
    """
    from sartor.model.open import LONGEST_NAME, check_module, code_hash, slug

    target = reference.removeprefix(PREFIX).strip()
    if _CALLABLE.match(target):
        check_module(target, base)
        module, _, attribute = target.partition(":")
        name = slug(f"{module.rpartition('.')[2]}-{attribute}")
        return Model(name, reference, "sklearn", True, code_hash(target, base))
    name, settings = _read(reference, target)
    _construct(reference, name, settings)
    canonical = f"{name}({', '.join(f'{key}={value!r}' for key, value in sorted(settings.items()))})"
    given = [f"{key}{value}" for key, value in sorted(settings.items())]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    named = "-".join([name, *given])
    if len(named) > LONGEST_NAME:
        named = f"{name}-{digest[:6]}"  # cut off, max_iter100 would read as max_iter1
    return Model(slug(named), reference, "sklearn", True, digest)


def names_callable(reference: str) -> bool:
    """Whether `sklearn:...` names the user's callable rather than a class."""
    return _CALLABLE.match(reference.strip().removeprefix(PREFIX).strip()) is not None


def clusters(reference: str) -> bool:
    """Whether a reference names a class of clusterings, which learn without labels; callables are not called.

    Raises:
        ModelError: unknown class or setting.
    """
    if not reference.strip().startswith(PREFIX) or names_callable(reference):
        return False
    from sklearn.base import is_clusterer

    return bool(is_clusterer(_construct(reference, *_read(reference, reference.strip().removeprefix(PREFIX).strip()))))


def build_estimator(model: Model, base: Path) -> Any:
    """The estimator or pipeline of a reference, fitted only if the user's callable returned it so.

    Raises:
        ModelError: the callable is missing or returned something else.
        UserCodeError: the user's code raised.
    """
    target = model.reference.strip().removeprefix(PREFIX).strip()
    if not _CALLABLE.match(target):
        return _construct(model.reference, *_read(model.reference, target))
    builder = load_builder(target, base, "a scikit-learn estimator or pipeline")
    with importable(base):
        built = call_builder(target, builder)
    if not hasattr(built, "get_params") or not hasattr(built, "fit"):
        came = f"{target} returned {type(built).__name__}"
        raise ModelError(came, "a scikit-learn estimator or pipeline", "return the object itself")
    return built


def is_fitted(estimator: Any) -> bool:
    """Whether it has learnt from rows already."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def fit_and_convert(
    model: Model, inputs: Prepared, labels: Array | None, rows: Array, to: Path, base: Path, seed: int
) -> ExportedModel:
    """Fit on some rows, and write the scores as ONNX.

    A fitted estimator (from the user's callable) is left as it is. Where a `random_state` is unset it becomes `seed`.

    Args:
        model: what `open_sklearn` read.
        inputs: all rows, one array (n, ...) which is flattened to (n, f).
        labels: (n,) class numbers 0..k-1, or values of a regression; None for clustering.
        rows: numbers of the rows to fit on.
        to: the file to write.
        base: the folder that modules are relative to.
        seed: of everything that is drawn at random.

    Raises:
        ModelError: the estimator refuses the rows, misses a class among them, or cannot be written.
        MissingExtraError: skl2onnx is not installed.
        UserCodeError: the user's code raised.
    """
    from sartor.model.sklearn_export import export, flat_rows, require_converter

    require_converter(model.reference)
    estimator = build_estimator(model, base)
    if not is_fitted(estimator):
        _fit(model, estimator, flat_rows(inputs)[rows], None if labels is None else labels[rows], seed)
    return export(estimator, inputs, to)


def convert(model: Model, inputs: Prepared, to: Path, base: Path) -> ExportedModel:
    """Write the scores of a fitted estimator as ONNX; `inputs` are real rows to compare on.

    Raises:
        ModelError: it is not fitted, or cannot be written.
        MissingExtraError: skl2onnx is not installed.
        UserCodeError: the user's code raised.
    """
    from sartor.model.sklearn_export import export, require_converter

    require_converter(model.reference)
    estimator = build_estimator(model, base)
    if not is_fitted(estimator):
        raise ModelError(
            f"`{model.reference}` is not fitted", "a fitted estimator, or `train: auto`", "let Sartor fit it"
        )
    return export(estimator, inputs, to)


def _read(reference: str, target: str) -> tuple[str, dict[str, Any]]:
    match = _CLASS.match(target)
    if match is None:
        raise ModelError(f"`{reference}`", _FORMS, _EXAMPLE)
    try:
        call = ast.parse(f"settings({match['settings'] or ''})", mode="eval").body
    except SyntaxError:
        raise ModelError(f"settings of `{reference}`", "setting=value, ...", _EXAMPLE) from None
    assert isinstance(call, ast.Call)
    if call.args or any(keyword.arg is None for keyword in call.keywords):
        raise ModelError(f"settings of `{reference}`", "each value with its name: setting=value", _EXAMPLE)
    return match["name"], {str(keyword.arg): _value(reference, keyword) for keyword in call.keywords}


def _value(reference: str, keyword: ast.keyword) -> Any:
    if isinstance(keyword.value, ast.Name) and keyword.value.id.lower() in _WORDS:
        return _WORDS[keyword.value.id.lower()]
    try:
        return ast.literal_eval(keyword.value)
    except ValueError:
        raise ModelError(
            f"`{keyword.arg}={ast.unparse(keyword.value)}` in `{reference}`",
            "a number, a quoted text, true, false, None, or a list or tuple of them",
            "for anything else write a callable that returns the estimator: sklearn:package.module:callable",
        ) from None


def _construct(reference: str, name: str, settings: dict[str, Any]) -> Any:
    found = _class(name)
    allowed = [known for known in inspect.signature(found).parameters if known not in ("args", "kwargs")]
    unknown = next((setting for setting in settings if setting not in allowed), None)
    if unknown is not None:
        raise ModelError(f"{name} has no setting `{unknown}`", ", ".join(allowed), nearest(unknown, allowed))
    try:
        estimator = found(**settings)
        estimator._validate_params()  # else only the fit would say, after the data has been read
    except (TypeError, ValueError) as error:
        raise ModelError(f"`{reference}`: {_first_line(error)}", f"values that {name} takes") from None
    return estimator


def _class(name: str) -> Any:
    for room in _COMMON:
        found = getattr(importlib.import_module(f"sklearn.{room}"), name, None)
        if inspect.isclass(found) and not name.startswith("_"):
            return found
    from sklearn.utils import all_estimators

    every = {known: found for known, found in all_estimators() if hasattr(found, "predict")}
    if name not in every:
        raise ModelError(
            f"scikit-learn has no estimator `{name}`",
            "a class with `fit` and `predict`, such as HistGradientBoostingClassifier",
            nearest(name, every),
        )
    return every[name]


def _fit(model: Model, estimator: Any, inputs: Array, labels: Array | None, seed: int) -> None:
    unset = {key: seed for key, value in estimator.get_params().items() if _is_seed(key) and value is None}
    estimator.set_params(**unset)
    try:
        estimator.fit(inputs, labels)
    except UserCodeError:
        raise
    except Exception as error:
        raise ModelError(
            f"`{model.reference}` cannot be fitted: {_first_line(error)}",
            f"an estimator that learns from {len(inputs)} rows of {inputs.shape[1]} features",
        ) from error
    classes = np.asarray(getattr(estimator, "classes_", ()))
    if labels is not None and classes.ndim == 1 and not np.array_equal(classes, np.arange(len(classes))):
        raise ModelError(
            f"the train rows hold the classes {', '.join(map(str, classes[:10]))} only",
            "train rows of every class",
            "give more rows to train, or name fewer classes",
        )


def _is_seed(key: str) -> bool:
    return key.rpartition("__")[2] == "random_state"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
