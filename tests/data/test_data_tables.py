"""Tables of texts, numbers and records: .csv, .tsv, .jsonl and .parquet."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor.data import Dataset, open_data
from sartor.errors import DataError, MissingExtraError, NeedError
from sartor.need import DataSpec, Need

TEXT = "text-classification"
TABLE = "tabular-classification"
FEATURES = "feature-extraction"


def opened(base: Path, task: str = TEXT, labelled: bool = True, **spec: Any) -> Dataset:
    spec.setdefault("source", "a.tsv")
    return open_data(DataSpec(**spec), task, base, labelled=labelled)


def written(base: Path, text: str, name: str = "a.tsv") -> Path:
    (base / name).write_text(text, encoding="utf-8", newline="")
    return base


def refused(base: Path, task: str = TEXT, **spec: Any) -> str:
    with pytest.raises(DataError) as raised:
        opened(base, task, **spec)
    return str(raised.value)


def as_json(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_quote_marks_are_letters_in_plain_tsv(tmp_path: Path) -> None:
    written(tmp_path, 'sentence\tlabel\n" a fine film\t1\r\nso "so" , he said\t0\n\n"bad"\t0\n')
    data = opened(tmp_path)
    assert data.inputs.tolist() == ['" a fine film', 'so "so" , he said', '"bad"']
    assert (data.inputs.dtype.name, data.labels.tolist(), data.classes) == ("object", [1, 0, 0], ("0", "1"))


@pytest.mark.parametrize(
    "text",
    [
        'sentence\tlabel\n"two\nlines"\t1\nplain\t0\n',
        'sentence\tlabel\n"a\ttab"\t1\nplain\t0\n',
        'sentence\tlabel\n"he said ""fine"""\t1\nplain\t0\n',
        '"sentence"\t"label"\n"good"\t"1"\n"bad"\t"0"\n',
    ],
)
def test_tsv_that_was_written_with_quotes(tmp_path: Path, text: str) -> None:
    first = opened(written(tmp_path, text)).inputs[0]
    assert first in ("two\nlines", "a\ttab", 'he said "fine"', "good")


def test_a_long_document_in_one_cell(tmp_path: Path) -> None:
    written(tmp_path, f"text,label\n{'word ' * 50_000},a\nshort,b\n", "a.csv")
    assert len(opened(tmp_path, source="a.csv").inputs[0]) == 250_000


@pytest.mark.parametrize(
    ("header", "rows", "text", "classes"),
    [
        ("label,review", ["1,fine", "0,poor"], ["fine", "poor"], ("0", "1")),
        ("id,content,sentiment", ["7,fine,pos", "8,poor,neg"], ["fine", "poor"], ("neg", "pos")),
        ("target,user,Text", ["4,ann,fine", "0,bob,poor"], ["fine", "poor"], ("0", "4")),
        ("words,label", ["fine,1", "12,0"], ["fine", "12"], ("0", "1")),
        ("words,mood", ["fine,1", "poor,0"], ["fine", "poor"], ("0", "1")),
    ],
)
def test_the_column_of_texts_is_found(
    tmp_path: Path, header: str, rows: list[str], text: list[str], classes: tuple[str, ...]
) -> None:
    written(tmp_path, "\n".join([header, *rows]), "a.csv")
    data = opened(tmp_path, source="a.csv")
    assert (data.inputs.tolist(), data.classes) == (text, classes)


def test_named_columns_of_texts(tmp_path: Path) -> None:
    written(tmp_path, "title,abstract,kind,by\na b,c d,x,1\ne f,g h,y,2\n", "a.csv")
    data = opened(tmp_path, source="a.csv", input="abstract", label="kind", group="by")
    assert (data.inputs.tolist(), data.classes) == (["c d", "g h"], ("x", "y"))
    assert data.groups is not None


def test_splits_of_texts_in_several_files(tmp_path: Path) -> None:
    written(tmp_path, "sentence\tlabel\ngood\t1\nbad\t0\n")
    written(tmp_path, as_json({"sentence": "fair", "label": "1"}), "b.jsonl")
    data = opened(tmp_path, confirm="b.jsonl")
    assert data.inputs.tolist() == ["good", "bad", "fair"]
    assert data.given["confirm"].tolist() == [2]
    written(tmp_path, "sentence,label\ngood,1\nbad,0\n", "c.csv")
    np.savez(tmp_path / "d.npz", x=[[1], [2]], y=["0", "1"])
    assert "numbers in confirm, texts elsewhere" in refused(tmp_path, source="c.csv", confirm="d.npz")


def test_token_ids_in_columns_stay_whole(tmp_path: Path) -> None:
    written(tmp_path, "t0,t1,label\n5,6,a\n7,8,b\n", "a.csv")
    data = opened(tmp_path, source="a.csv")
    assert (data.inputs.dtype.name, data.inputs.tolist()) == ("int64", [[5, 6], [7, 8]])
    written(tmp_path, as_json({"ids": [5, 6], "label": 0}, {"ids": [7, 8], "label": 1}), "a.jsonl")
    assert opened(tmp_path, source="a.jsonl").inputs.tolist() == [[5, 6], [7, 8]]


def test_a_list_of_columns_is_one_input(tmp_path: Path) -> None:
    written(tmp_path, "a,b,name,label\n1,2,x,0\n3,4,y,1\n", "a.csv")
    data = opened(tmp_path, TABLE, source="a.csv", input=["b", "a"])
    assert (data.inputs.tolist(), data.inputs.dtype.name) == ([[2, 1], [4, 3]], "float32")
    assert "did you mean `name`" in refused(tmp_path, TABLE, source="a.csv", input=["a", "nam"])


def test_a_mapping_gives_records(tmp_path: Path) -> None:
    written(tmp_path, "userId,price,note,rating\n1,0.5,good,4\n70000000,1,fair,2.5\n", "a.csv")
    fields = {"user": "userId", "price": "price", "note": "note"}
    data = opened(tmp_path, "tabular-regression", source="a.csv", input=fields, label="rating")
    assert data.inputs.dtype.names == ("user", "price", "note")
    assert data.inputs["user"].tolist() == [1, 70_000_000]
    assert (data.inputs["price"].dtype.name, data.inputs["note"].tolist()) == ("float32", ["good", "fair"])
    assert data.labels.tolist() == [4, 2.5]
    written(tmp_path, "userId,price,note,rating\n1,nan,good,4\n2,1,fair,2.5\n", "b.csv")
    assert "NaN or infinity in the input `price`" in refused(
        tmp_path, "tabular-regression", source="b.csv", input=fields
    )


def test_jsonl_numbers_labels_and_gaps(tmp_path: Path) -> None:
    written(tmp_path, as_json({"a": 1, "b": 2.5, "label": True}, {"b": 4, "a": 3, "label": False}), "a.jsonl")
    data = opened(tmp_path, TABLE, source="a.jsonl")
    assert (data.inputs.tolist(), data.classes) == ([[1, 2.5], [3, 4]], ("0", "1"))
    written(tmp_path, as_json({"a": 1, "b": 2, "label": "x"}, {"a": 3, "label": "y"}), "a.jsonl")
    assert "a.jsonl, line 2, column `b`: an empty cell" in refused(tmp_path, TABLE, source="a.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.jsonl holds no rows"),
        ("{}\n", "objects without keys"),
        ('{"text": "a"}\nnot\n', "line 2 is no JSON"),
        ('[{"text": "a"}]\n', "line 1: a list"),
        (as_json({"text": "a", "label": 1}, {"text": ["b"], "label": 0}), "line 2, column `text`: a list"),
        (as_json({"text": "a", "label": {}}, {"text": "b", "label": 0}), "column `label`: an object"),
        (as_json({"text": "a", "label": None}, {"text": "b", "label": 0}), "no label (empty, NaN or infinity) in 1"),
        (as_json({"ids": [1, 2], "label": 1}, {"ids": [1], "label": 0}), "line 2, column `ids`: a list"),
        (as_json({"ids": ["x"], "label": 1}, {"ids": ["y"], "label": 0}), "lists of type <U1"),
    ],
)
def test_wrong_jsonl(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(written(tmp_path, text, "a.jsonl"), source="a.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentence\tlabel\ngood\t1\n \t0\n", "an empty text in 1 of 2 rows: rows 1"),
        ("one\ttwo\tlabel\na\tb\t1\nc\td\t0\n", "any of the columns one, two could hold the texts"),
        ("sentence\tlabel\ngood\n", "line 2: 1 cells"),
        ("a fine film\t1\nbad\t0\n", "a line that has the number 1"),
        ("sentence\ngood\nbad\n", "no column for the label beside sentence"),
    ],
)
def test_wrong_tables_of_texts(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(written(tmp_path, text))


def test_texts_are_for_tasks_on_text(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", text=["good", "bad"], label=[1, 0])
    assert opened(tmp_path, source="a.npz").inputs.tolist() == ["good", "bad"]
    assert "texts for the task `tabular-classification`" in refused(tmp_path, TABLE, source="a.npz")
    written(tmp_path, "sentence,label\ngood,1\n", "a.csv")
    message = refused(tmp_path, TABLE, source="a.csv")
    assert "column `sentence`: `good`" in message
    assert "text-classification" in message


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"text": ["good", "bad"], "x": [1, 2], "list": [[1.0, 2.0], [3.0, 4.0]], "label": [1, 0]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert opened(tmp_path, source="a.parquet").inputs.tolist() == ["good", "bad"]
    data = opened(tmp_path, TABLE, source="a.parquet", input="x")
    assert (data.inputs.tolist(), data.labels.tolist()) == ([[1], [2]], [1, 0])
    assert opened(tmp_path, TABLE, source="a.parquet", input="list").inputs.tolist() == [[1, 2], [3, 4]]
    gaps = arrow.table({"x": arrow.array([1, None]), "label": ["a", "b"]})
    parquet.write_table(gaps, tmp_path / "b.parquet")
    assert "b.parquet, row 1, column `x`: an empty cell" in refused(tmp_path, TABLE, source="b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"PAR1 nothing")
    assert "c.parquet cannot be read" in refused(tmp_path, TABLE, source="c.parquet")
    parquet.write_table(table.slice(0, 0), tmp_path / "d.parquet")
    assert "d.parquet holds no rows" in refused(tmp_path, TABLE, source="d.parquet")


def test_parquet_without_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sartor\[parquet\]'"):
        opened(tmp_path, source="a.parquet")


def test_without_labels_a_label_column_is_no_feature(tmp_path: Path) -> None:
    written(tmp_path, "a,b,label\n1,2,x\n3,4,y\n", "a.csv")
    data = opened(tmp_path, TABLE, labelled=False, source="a.csv")
    assert (data.inputs.tolist(), data.labelled, data.classes) == ([[1, 2], [3, 4]], False, ())
    assert (data.labels.tolist(), data.labels.dtype.name, data.kind) == ([0, 0], "int64", "classification")
    assert opened(tmp_path, TABLE, labelled=False, source="a.csv", label="b", input="a").inputs.shape == (2, 1)
    written(tmp_path, "a,b\n1,2\n3,4\n", "b.csv")
    assert opened(tmp_path, TABLE, labelled=False, source="b.csv").inputs.shape == (2, 2)
    assert opened(tmp_path, TABLE, labelled=False, source="b.csv", label="b").inputs.shape == (2, 1)


def test_features_are_extracted_from_texts_or_numbers(tmp_path: Path) -> None:
    written(tmp_path, "sentence\tlabel\ngood\t1\nbad\t0\n")
    data = opened(tmp_path, FEATURES)
    assert (data.inputs.tolist(), data.labelled, data.kind) == (["good", "bad"], False, "regression")
    written(tmp_path, "a,b\n1,2\n3,4\n", "a.csv")
    assert opened(tmp_path, FEATURES, source="a.csv").inputs.dtype == np.float32
    assert opened(tmp_path, FEATURES, source="a.csv", input="a").inputs.shape == (2, 1)


def test_inputs_that_are_no_names() -> None:
    for wrong in (3, [], [1], {"user": 1}):
        with pytest.raises(NeedError) as raised:
            Need(task=TABLE, model="zoo:mlp", data={"source": "a.csv", "input": wrong})
        assert raised.value.location == ("data", "input")
        assert "a mapping such as" in raised.value.allowed
    spec = DataSpec(source="a", input=["b", "c"])
    assert DataSpec(**spec.model_dump(mode="json")) == spec
