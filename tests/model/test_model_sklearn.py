"""scikit-learn: references, fitting, and files whose largest column is what `predict` says."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris

from sartor.compress.applicable import recipes, why_not
from sartor.compress.build import build
from sartor.errors import CandidateError, ModelError, UserCodeError
from sartor.machine.device import this_machine
from sartor.model.open import LONGEST_NAME, open_model
from sartor.model.sklearn import build_estimator, convert, fit_and_convert, is_fitted
from sartor.model.sklearn_export import export, scores
from sartor.model.values import ExportedModel
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared

pytest.importorskip("skl2onnx")

CLASSIFIERS = [
    "HistGradientBoostingClassifier(max_iter=20)",
    "GradientBoostingClassifier(n_estimators=10)",
    "RandomForestClassifier(n_estimators=10)",
    "DecisionTreeClassifier()",
    "LogisticRegression(max_iter=200)",
    "RidgeClassifier()",
    "LinearSVC(C=0.1)",
    "SVC()",
    "MLPClassifier(hidden_layer_sizes=(8,), max_iter=60)",
    "GaussianNB()",
    "KNeighborsClassifier()",
]
REGRESSORS = ["HistGradientBoostingRegressor(max_iter=20)", "Ridge()", "RandomForestRegressor(n_estimators=5)"]
NETS = """
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

def linear(): return make_pipeline(StandardScaler(), PCA(3), LinearSVC())
def trees(): return make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=10))
def clusters(): return make_pipeline(StandardScaler(), KMeans(3, n_init=1))
def fitted(): return LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True))
def transformer(): return PCA(2)
def text(): return "SVC"
def broken(): raise RuntimeError("no such file")
"""


def standardised(load: Any) -> tuple[Array, Array]:
    inputs, labels = load(return_X_y=True)
    inputs = (inputs - inputs.mean(axis=0)) / np.maximum(inputs.std(axis=0), 1e-9)
    return inputs.astype(np.float32), labels


def fitted(reference: str, data: tuple[Array, Array], to: Path) -> ExportedModel:
    inputs, labels = data
    model = open_model(f"sklearn:{reference}", to)
    return fit_and_convert(model, Prepared({"": inputs}), labels, np.arange(len(inputs)), to / "net.onnx", to, 0)


def run(exported: ExportedModel, inputs: Array) -> Array:
    taken = exported.signature.inputs[0].name
    return open_runtime("onnxruntime").load(exported.path, Settings()).run({taken: inputs})[0]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("load", [load_breast_cancer, load_iris], ids=["two-classes", "three-classes"])
@pytest.mark.parametrize("reference", CLASSIFIERS)
def test_the_largest_column_is_what_predict_says(reference: str, load: Any, tmp_path: Path) -> None:
    data = standardised(load)
    exported = fitted(reference, data, tmp_path)
    estimator = build_estimator(open_model(f"sklearn:{reference}", tmp_path), tmp_path)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    estimator.fit(*data)
    answers = run(exported, data[0])
    assert exported.signature.outputs[0].shape == ("batch", len(set(data[1])))
    assert answers.dtype == np.float32
    assert np.mean(answers.argmax(axis=1) == estimator.predict(data[0])) >= 0.999
    assert exported.parameters > 10


@pytest.mark.parametrize("reference", REGRESSORS)
def test_a_regression_has_one_column(reference: str, tmp_path: Path) -> None:
    inputs, target = standardised(load_diabetes)
    answers = run(fitted(reference, (inputs, target), tmp_path), inputs)
    assert answers.shape == (len(inputs), 1)
    assert np.corrcoef(answers[:, 0], target)[0, 1] > 0.5


def test_long_names_are_told_apart(tmp_path: Path) -> None:
    names = [open_model(f"sklearn:HistGradientBoostingClassifier(max_iter={n})", tmp_path).name for n in (1, 10, 100)]
    assert names[0] == "HistGradientBoostingClassifier-max_iter1"
    assert len(set(names)) == 3
    assert max(map(len, names)) <= LONGEST_NAME


@pytest.mark.parametrize("name", ["linear", "trees", "clusters"])
def test_pipelines_of_a_callable_are_fitted(name: str, tmp_path: Path) -> None:
    (tmp_path / f"nets_{name}.py").write_text(NETS)
    data = standardised(load_iris)
    answers = run(fitted(f"nets_{name}:{name}", data, tmp_path), data[0])
    assert answers.shape == (150, 3)
    groups = [np.bincount(data[1][answers.argmax(axis=1) == column], minlength=3).max() for column in range(3)]
    assert sum(groups) > 110, "columns tell the kinds apart"


def test_a_fitted_callable_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "nets_fitted.py").write_text(NETS)
    inputs, labels = load_iris(return_X_y=True)
    inputs = inputs.astype(np.float32)
    model = open_model("sklearn:nets_fitted:fitted", tmp_path)
    source = build_estimator(model, tmp_path)
    assert is_fitted(source)
    rows = Prepared({"measures": inputs})
    exported = fit_and_convert(model, rows, 2 - labels, np.arange(150), tmp_path / "net.onnx", tmp_path, 0)
    assert exported.signature.inputs[0].name == "measures"
    np.testing.assert_allclose(run(exported, inputs), source.predict_proba(inputs), atol=1e-4)
    assert convert(model, rows, tmp_path / "again.onnx", tmp_path).parameters == exported.parameters


def test_what_is_not_fitted_is_not_converted(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not fitted"):
        convert(open_model("sklearn:SVC", tmp_path), Prepared({"": np.zeros((3, 2))}), tmp_path / "net.onnx", tmp_path)


def test_pictures_are_flattened_in_the_file(tmp_path: Path) -> None:
    inputs, labels = load_digits(return_X_y=True)
    pictures = (inputs[:300].reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    exported = fitted("LogisticRegression(max_iter=300)", (pictures, labels[:300]), tmp_path)
    assert exported.signature.inputs[0].shape == ("batch", 1, 8, 8)
    assert np.mean(run(exported, pictures).argmax(axis=1) == labels[:300]) > 0.95


def test_seeds_repeat_and_fill_only_what_is_unset(tmp_path: Path) -> None:
    data = standardised(load_iris)
    answers = [
        run(fitted("ExtraTreesClassifier(n_estimators=5, max_depth=2)", data, tmp_path), data[0]) for _ in range(2)
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    fixed = run(fitted("ExtraTreesClassifier(n_estimators=5, max_depth=2, random_state=7)", data, tmp_path), data[0])
    assert not np.array_equal(fixed, answers[0])


def test_thresholds_between_two_float32_send_rows_to_the_same_side(tmp_path: Path) -> None:
    steps = np.nextafter(np.float32(1), np.float32(2)) - 1
    values = (1 + steps * np.arange(64)).astype(np.float32)[:, np.newaxis]
    labels = (np.arange(64) > 30).astype(np.int64)
    exported = fitted("HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=1)", (values, labels), tmp_path)
    np.testing.assert_array_equal(run(exported, values).argmax(axis=1), labels)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("sklearn:RandomForrestClassifier", "did you mean `RandomForestClassifier`?"),
        ("sklearn:SVC(kernal='rbf')", "did you mean `kernel`?"),
        ("sklearn:SVC(C=-1)", "'C' parameter of SVC"),
        ("sklearn:SVC(C=make())", "`C=make()`"),
        ("sklearn:SVC(1)", "each value with its name"),
        ("sklearn:SVC(C=1", "sklearn:Class(setting=value, ...)"),
        ("sklearn:SVC(C==1)", "settings of `sklearn:SVC(C==1)`"),
        ("sklearn:no_such_nets:build", "no Python module `no_such_nets`"),
        ("sklearn:PCA", "no estimator `PCA`"),
    ],
)
def test_references_that_name_nothing_are_explained(reference: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=re.escape(says)):
        open_model(reference, tmp_path)


def test_words_of_yaml_are_settings(tmp_path: Path) -> None:
    model = open_model(
        "sklearn:RandomForestClassifier(bootstrap=false, max_depth=null, class_weight='balanced')", tmp_path
    )
    built = build_estimator(model, tmp_path)
    assert (model.kind, model.trainable) == ("sklearn", True)
    assert (built.bootstrap, built.max_depth, built.class_weight) == (False, None, "balanced")


@pytest.mark.parametrize(
    ("attribute", "error", "says"),
    [
        ("transformer", ModelError, "gives no scores"),
        ("text", ModelError, "returned str"),
        ("broken", UserCodeError, "no such file"),
        ("missing", ModelError, "has nothing named `missing`"),
    ],
)
def test_callables_that_return_no_predictor_are_refused(
    attribute: str, error: type[Exception], says: str, tmp_path: Path
) -> None:
    (tmp_path / f"nets_{attribute}.py").write_text(NETS)
    with pytest.raises(error, match=says):
        fitted(f"nets_{attribute}:{attribute}", standardised(load_iris), tmp_path)


def test_train_rows_without_a_class_are_refused(tmp_path: Path) -> None:
    inputs, labels = standardised(load_iris)
    with pytest.raises(ModelError, match="classes 0, 2 only"):
        fitted("GaussianNB()", (inputs[labels != 1], labels[labels != 1]), tmp_path)


def test_splits_on_categories_are_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 5, (80, 1)).astype(np.float32)
    with pytest.raises(ModelError, match="categorical"):
        fitted(
            "HistGradientBoostingClassifier(categorical_features=[0], min_samples_leaf=2)",
            (values, (values[:, 0] % 2).astype(np.int64)),
            tmp_path,
        )


def test_an_estimator_without_conversion_is_named(tmp_path: Path) -> None:
    inputs, labels = standardised(load_iris)
    with pytest.raises(ModelError, match="BisectingKMeans cannot be written"):
        fitted("BisectingKMeans(n_clusters=3)", (inputs, labels), tmp_path)


def test_a_file_that_differs_is_refused_with_the_largest_difference(tmp_path: Path) -> None:
    """Features that are nearly the same make weights that float32 cannot hold."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    inputs, labels = load_breast_cancer(return_X_y=True)
    source = LinearDiscriminantAnalysis().fit(inputs.astype(np.float32), labels)
    with pytest.raises(ModelError, match=r"differs from scikit-learn by 0\.\d+ in `output`"):
        export(source, Prepared({"": inputs}), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_scores_of_two_classes_are_two_columns() -> None:
    from sklearn.svm import SVC

    inputs, labels = standardised(load_breast_cancer)
    source = SVC().fit(inputs, labels)
    found = scores(source, inputs)
    assert found.shape == (len(inputs), 2)
    np.testing.assert_array_equal(found.argmax(axis=1), source.predict(inputs))


@pytest.mark.parametrize("runtime", list(RUNTIMES))
@pytest.mark.parametrize("reference", ["HistGradientBoostingClassifier(max_iter=5)", "KMeans(n_clusters=3, n_init=1)"])
def test_every_recipe_compresses_or_says_why_not(reference: str, runtime: str, tmp_path: Path) -> None:
    inputs, labels = standardised(load_iris)
    exported = fitted(reference, (inputs, labels), tmp_path)
    rows = Prepared({"": inputs})
    for recipe in recipes(runtime, attends=False):
        if why_not(recipe, runtime, this_machine()) is None:
            try:
                built = build(recipe, exported, runtime, rows, tmp_path / "variants" / recipe.slug)
            except CandidateError as error:
                outcome = error.reason
            else:
                outcome = f"{built.path.exists()}"
            assert outcome in ("unsupported", "True"), recipe.label


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("net.pkl", "sklearn:package.module:function"),
        ("net.joblib", "sklearn:package.module:function"),
        ("net.pt", "weights_only=True"),
        ("folder/pytorch_model.bin", "save_pretrained"),
        ("net.h5", "model.save('model.keras')"),
    ],
)
def test_files_that_run_code_are_refused_with_another_way(reference: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / reference).write_bytes(b"\x80\4.")
    with pytest.raises(ModelError) as caught:
        open_model(reference, tmp_path)
    assert says in caught.value.hint


def test_converting_warns_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted("SVC()", standardised(load_iris), tmp_path)
