"""Reading a Need: every mistake is one clear error with its line, what came and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartor.errors import NeedError
from sartor.need import read_need
from sartor.need.read import parse_need

BASE = "task: tabular-classification\nmodel: net.onnx\ndata: rows.csv\n"  # three lines


def refused(text: str) -> NeedError:
    with pytest.raises(NeedError) as caught:
        parse_need(text, "need.yaml")
    error = caught.value
    assert error.came.startswith("need.yaml:")
    assert error.allowed
    # Words of the library that reads are no words of ours.
    theirs = ("pydantic", "tuple", "dictionary", "dataspec", "nonetype")
    assert not any(word in str(error).lower() for word in theirs)
    return error


@pytest.mark.parametrize(
    ("text", "line", "key", "near", "allowed"),
    [
        (BASE + "reqire: {}\n", 4, "reqire", "require", "require"),
        (BASE + "\n\nMinimise: size\n", 6, "Minimise", "minimise", "minimise"),
        (BASE + "budget:\n  tmie: 5 min\n", 5, "budget.tmie", "time", "time, memory"),
        (BASE + "workload: {btach: 3}\n", 4, "workload.btach", "batch", "batch"),
        (BASE + "train:\n  epochs: 3\n  learning-rate: 1\n", 6, "train.learning-rate", "learning_rate", "epochs, time"),
        (BASE.replace(" rows.csv", "\n  source: a\n  lable: x"), 5, "data.lable", "label", "source"),
        (BASE + "bool: 1\n", 4, "bool", "", "task, model"),
    ],
)
def test_an_unknown_key(text: str, line: int, key: str, near: str, allowed: str) -> None:
    error = refused(text)
    assert error.came == f"need.yaml:{line}: unknown key `{key}`"
    assert allowed in error.allowed
    assert error.hint == (f"did you mean `{near}`?" if near else "")


@pytest.mark.parametrize(
    ("text", "line", "came", "allowed"),
    [
        # keys that are missing or stand twice
        ("model: a\ndata: b\n", 1, "key `task` is missing", "task"),
        ("task: tabular-classification\nmodel: a\ndata: {select: c}\n", 3, "key `data.source` is missing", "source"),
        (BASE + "seed: 1\nseed: 2\n", 5, "key `seed` stands twice (first on line 4)", "once"),
        (BASE + "require: {size: '<= 1 MB', size: '<= 2 MB'}\n", 4, "key `size` stands twice", "once"),
        (BASE + "preprocess:\n- scale: 1\n  scale: 2\n", 6, "key `scale` stands twice", "once"),
        # values out of the table
        ("task: classification\nmodel: a\ndata: b\n", 1, "`task: classification`", "tabular-classification"),
        (BASE + "minimise: cost\n", 4, "`minimise: cost`", "latency, throughput, size, memory"),
        (BASE + "on: {h100-sxm: 16}\n", 4, "`on: ", "this-machine"),
        (BASE + "train: maybe\n", 4, "`train: maybe`", "auto, recover, true, false"),
        (BASE + "train: {epochs: 0}\n", 4, "`train.epochs: 0`", "1"),
        (BASE + "confidence: 0.3\n", 4, "`confidence: 0.3`", "0.5"),
        (BASE + "confidence: 1\n", 4, "`confidence: 1`", "less than 1"),
        (BASE + "seed: -1\n", 4, "`seed: -1`", "0"),
        (BASE + "seed: yes\n", 4, "`seed: yes`", "integer"),
        (BASE + "workload: {batch: 0}\n", 4, "`workload.batch: 0`", "1"),
        (BASE + "budget: {time: soon}\n", 4, "`budget.time: soon`", "number"),
        (BASE + "budget: {time: 5 MB}\n", 4, "`budget.time: 5 MB`", "5 min"),
        (BASE + "budget: {time: -5 min}\n", 4, "`budget.time: -5 min`", "5 min"),
        (BASE + "budget: {time: .inf}\n", 4, "`budget.time: .inf`", "number"),
        (BASE + "budget: {time: 5:30}\n", 4, "`budget.time: 5:30`", "number"),
        (BASE + "budget: {memory: 8 min}\n", 4, "`budget.memory: 8 min`", "8 GB"),
        # values of the wrong shape
        (BASE + "budget: 5 min\n", 4, "`budget: 5 min`", "a mapping of time, memory"),
        (BASE + "require: [accuracy]\n", 4, "`require: ['accuracy']`", 'accuracy: ">= 0.95"'),
        (BASE + "require: accuracy\n", 4, "`require: accuracy`", 'accuracy: ">= 0.95"'),
        (BASE + "require:\n  accuracy: [0.9]\n", 5, "`require.accuracy: [0.9]`", ">= 0.95"),
        (BASE + "preprocess: {resize: [1, 2]}\n", 4, "`preprocess: ", "a list of steps"),
        (BASE + "preprocess: [resize]\n", 4, "`preprocess.0: resize`", "a list of steps"),
        ("task: tabular-classification\nmodel: []\ndata: b\n", 2, "`model: []`", "at least one"),
        ("task: tabular-classification\nmodel: [1]\ndata: b\n", 2, "`model.0: 1`", "text"),
        ("task: tabular-classification\nmodel: a\ndata: [a]\n", 3, "`data: ['a']`", "source"),
        # nothing where something is needed
        (BASE + "require:\n", 4, "`require:`, with nothing behind it", "limits"),
        (BASE + "require:\n  accuracy:\n", 5, "`require.accuracy:`, with nothing", ">= 0.95"),
        (BASE + "budget:\n", 4, "`budget:`, with nothing", "a mapping of time, memory"),
        (BASE + "budget: {time: null}\n", 4, "`budget.time:`, with nothing", "number"),
        (BASE + "train: ~\n", 4, "`train:`, with nothing", "auto"),
        ("task:\nmodel: a\ndata: b\n", 1, "`task:`, with nothing", "tabular-classification"),
        ("task: tabular-classification\nmodel:\ndata: b\n", 2, "`model:`, with nothing", "a list"),
        ("task: tabular-classification\nmodel: a\ndata:\n", 3, "`data:`, with nothing", "source"),
        # limits
        (BASE + "require:\n  size: '<= 1 MB'\n  acuracy: '>= 0.9'\n", 6, "unknown limit `acuracy`", "accuracy"),
        (BASE + "require:\n  accuracy: 0.95\n", 5, "`accuracy: 0.95`", "an operator"),
        (BASE + "require:\n  accuracy: yes\n", 5, "`accuracy: yes`", "an operator"),
        (BASE + "require:\n  latency_p99: '<= 5 MB'\n", 5, "`latency_p99: <= 5 MB`", "5 ms"),
        (BASE + "require:\n  latency_p99: '>= 5 ms'\n", 5, "`latency_p99: >= 5 ms`", "takes `<=`"),
        (BASE + "require:\n  rmse: '<= 5'\n", 5, "`rmse` with task", "accuracy, f1, auc"),
        # the longer name of two limits of which the other is right
        (
            BASE + "require:\n  accuracy: '>= 0.9'\n  accuracy_drop: '>= 1 pt'\n",
            6,
            "`accuracy_drop: >= 1 pt`",
            "a drop takes",
        ),
        (BASE + "require:\n  accuracy: '>= 0.9'\n  f1: '>= 0.9'\n", 4, "several metrics: accuracy, f1", "one metric"),
        # not a Need at all
        ("", 1, "no keys", "`task`"),
        ("# nothing\n", 1, "no keys", "`task`"),
        ("- task\n", 1, "no keys", "`task`"),
        ("just words\n", 1, "no keys", "`task`"),
        ("null\n", 1, "no keys", "`task`"),
        # not YAML
        (BASE + "require: {size: 1\n", 5, "", "valid YAML"),
        (BASE + "require:\n\tsize: 1\n", 5, "\\t", "valid YAML"),
        (BASE + "seed: a: b\n", 4, "mapping values", "valid YAML"),
        (BASE + "seed: *unknown\n", 4, "alias", "valid YAML"),
        (BASE + "---\n" + BASE, 4, "another document", "valid YAML"),
        (BASE + "# \x00\n", 4, "U+0000", "control characters"),
        (BASE + "\n\nseed: \x07\n", 6, "U+0007", "control characters"),
        ("[" * 5000, 1, "nested too deeply", "valid YAML"),
        # YAML that means more than values
        (BASE + "seed: !!python/object/apply:os.system ['true']\n", 4, "python/object/apply", "valid YAML"),
        (BASE + "seed: !!python/name:os.system\n", 4, "python/name", "valid YAML"),
        (BASE + "data: !mine {a: 1}\n", 4, "", ""),
        ("task: tabular-classification\nmodel: &a [*a]\ndata: b\n", 2, "contains itself", "end"),
        (BASE + "preprocess: &a [{scale: *a}]\n", 4, "contains itself", "end"),
        # keys that are no words
        (BASE + "1: 2\n", 4, "`1` as a key", "words"),
        (BASE + "null: 2\n", 4, "`null` as a key", "words"),
        (BASE + "? [a, b]\n: 2\n", 4, "as a key", "words"),
        (BASE + "require: {1: 2}\n", 4, "`1` as a key", "words"),
    ],
)
def test_every_mistake_has_its_line(text: str, line: int, came: str, allowed: str) -> None:
    error = refused(text)
    assert error.came.startswith(f"need.yaml:{line}: ")
    assert came in error.came
    assert allowed in error.allowed


def test_the_task_nearest_to_a_wrong_one_is_named() -> None:
    assert refused(BASE.replace("tabular", "tabluar")).hint == "did you mean `tabular-classification`?"


def test_words_that_yaml_1_1_takes_for_truth_are_words() -> None:
    need = parse_need(
        "task: tabular-classification\nmodel: a\ndata: {source: d, labels: [yes, no, on, off]}\non: this-machine\n"
    )
    assert need.data.labels == ("yes", "no", "on", "off")


def test_true_false_and_numbers_are_values() -> None:
    need = parse_need(BASE + "train: false\nseed: 7\nconfidence: 0.9\n")
    assert (need.train, need.seed, need.confidence) == (False, 7, 0.9)
    assert parse_need(BASE + "train: true\n").train is True


def test_anchors_may_be_used() -> None:
    need = parse_need(BASE + "budget: &spent {time: 5 min}\ntrain: {<<: *spent, epochs: 3}\n")
    assert need.train == parse_need(BASE + "train: {time: 5 min, epochs: 3}\n").train


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no file"), (b"task: caf\xe9\n", "UTF-8"), (b"\xff\xfe\x00", "UTF-8"), (b"", "no keys")],
)
def test_a_file_that_cannot_be_read(content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "need.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NeedError, match=says):
        read_need(path)


def test_a_folder_is_no_need(tmp_path: Path) -> None:
    with pytest.raises(NeedError, match="cannot read"):
        read_need(tmp_path)


def test_a_file_that_is_no_need_at_all_is_not_read_for_minutes(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("1,2,3\n" * 300_000)
    with pytest.raises(NeedError, match="1,800,000 characters"):
        read_need(tmp_path / "rows.csv")
