"""Tokenise: the model's own tokenizer, cut and padded as declared."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.errors import InputError
from sartor.steps import apply_steps, fit_steps, prepare_rows, read_steps, step_files, with_files
from sartor.steps.text import INPUTS, Tokenise
from tests.steps.making import WORDS, write_tokenizer

sentences = st.lists(st.sampled_from([*WORDS[4:], "unheard-of", "Ünïcode 漢字", " "]), max_size=12).map(" ".join)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


@given(texts=st.lists(sentences, min_size=1, max_size=6), max_length=st.integers(3, 9), fixed=st.booleans())
def test_the_ids_are_those_of_transformers(file: Path, texts: list[str], max_length: int, fixed: bool) -> None:
    from transformers import PreTrainedTokenizerFast

    theirs = PreTrainedTokenizerFast(tokenizer_file=str(file), pad_token="[PAD]")
    padding: Any = "max_length" if fixed else True
    expected = theirs(
        texts,
        truncation=True,
        max_length=max_length,
        padding=padding,
        return_tensors="np",
        return_token_type_ids=True,
    )
    step = Tokenise(file, max_length, max_length if fixed else None, 0, INPUTS)
    prepared = step.apply(texts)
    assert list(prepared.arrays) == list(INPUTS)
    for name in INPUTS:
        assert prepared.arrays[name].dtype == np.int64
        np.testing.assert_array_equal(prepared.arrays[name], expected[name])
    whole = [len(ids) for ids in theirs(texts)["input_ids"]]
    assert step.truncated(texts) == sum(length > max_length for length in whole)
    if fixed:
        assert prepared.lengths is None
    else:
        np.testing.assert_array_equal(prepared.lengths, expected["attention_mask"].sum(axis=1))


def test_rows_are_padded_with_the_declared_id_and_the_mask_with_0(file: Path) -> None:
    prepared = Tokenise(file, 8, pad_id=7, inputs=INPUTS).apply(["good film", "bad"])
    np.testing.assert_array_equal(prepared.arrays["input_ids"], [[2, 4, 6, 3], [2, 5, 3, 7]])
    np.testing.assert_array_equal(prepared.arrays["attention_mask"], [[1, 1, 1, 1], [1, 1, 1, 0]])
    np.testing.assert_array_equal(prepared.arrays["token_type_ids"], np.zeros((2, 4)))
    assert prepared.padding == {"input_ids": 7, "attention_mask": 0, "token_type_ids": 0}
    one = prepared.take([1]).trimmed()
    np.testing.assert_array_equal(one.arrays["input_ids"], [[2, 5, 3]])


def test_a_row_can_be_padded_beyond_and_cut_below_the_maximum(file: Path) -> None:
    longer = Tokenise(file, 4, pad_to=6).apply(["good good good good"])
    np.testing.assert_array_equal(longer.arrays["input_ids"], [[2, 4, 4, 3, 0, 0]])
    shorter = Tokenise(file, 9, pad_to=3)
    np.testing.assert_array_equal(shorter.apply(["good good good"]).arrays["input_ids"], [[2, 4, 3]])
    assert (shorter.truncated(["good good good", "good"]), shorter.apply(["good"]).lengths) == (1, None)


def test_a_text_without_tokens_keeps_one_place(tmp_path: Path) -> None:
    bare = Tokenise(write_tokenizer(tmp_path / "tokenizer.json", special=False), 8)
    prepared = bare.apply(["", " "])
    np.testing.assert_array_equal(prepared.arrays["attention_mask"], [[0], [0]])
    assert prepared.longest == 1


def test_many_texts_are_encoded_in_several_calls(file: Path) -> None:
    texts = np.array(["good film", "a very bad film"] * 1500, dtype=object)
    prepared = prepare_rows([Tokenise(file, 16)], texts)
    assert prepared.row_shapes == {"input_ids": (6,), "attention_mask": (6,)}
    np.testing.assert_array_equal(
        prepared.arrays["input_ids"][2998:], Tokenise(file, 16).apply(texts[:2]).arrays["input_ids"]
    )


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    step = Tokenise(write_tokenizer(tmp_path / "tokenizer.json"), 8)
    assert step.apply(["good"]).row_shapes["input_ids"] == (3,)
    write_tokenizer(tmp_path / "tokenizer.json", special=False)
    assert step.apply(["good"]).row_shapes["input_ids"] == (1,)


def test_files_are_found_moved_and_resolved(file: Path) -> None:
    specs = [{"tokenize": {"file": "sub/tokenizer.json", "max_length": 8}}]
    assert step_files([{"scale": 1}, *specs, *specs]) == (Path("sub/tokenizer.json"),)
    (moved,) = with_files(specs, {Path("sub/tokenizer.json"): "steps/tokenizer.json"})
    assert moved["tokenise"]["file"] == "steps/tokenizer.json"
    assert step_files(with_files(specs, {})) == (Path("sub/tokenizer.json"),)
    (resolved,) = read_steps([moved], Path("/bundle"))
    assert resolved.as_dict()["tokenise"]["file"] == "/bundle/steps/tokenizer.json"
    absolute = [{"tokenise": {"file": str(file), "max_length": 8}}]
    assert read_steps(absolute, Path("/elsewhere")) == read_steps(absolute)


def test_a_missing_or_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json cannot be read: No such file"):
        Tokenise(tmp_path / "none.json", 8).apply(["good"])
    with pytest.raises(InputError, match="cannot be read"):
        Tokenise(tmp_path, 8).apply(["good"])
    damaged = tmp_path / "tokenizer.json"
    for content in (b"", b"{}", b"\xff\x00", b'{"model": {"type": "WordLevel"'):
        damaged.write_bytes(content)
        with pytest.raises(InputError, match=r"the tokenizer\.json of the model"):
            Tokenise(damaged, 8).apply(["good"])


@pytest.mark.parametrize(
    ("texts", "message"),
    [(["good", None], "a NoneType in row 2"), ([], "at least one text"), (["\ud800"], "no valid Unicode")],
)
def test_what_is_no_text_is_refused(file: Path, texts: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Tokenise(file, 8).apply(texts)


def test_a_maximum_that_leaves_no_room_for_text_is_refused(file: Path) -> None:
    with pytest.raises(InputError, match="adds 2 special ones"):
        Tokenise(file, 2).apply(["good"])


def test_tokenise_stands_alone(file: Path) -> None:
    steps = [Tokenise(file, 8), *read_steps([{"scale": 2}])]
    texts = np.array(["good"], dtype=object)
    with pytest.raises(InputError, match="tokenise beside scale"):
        prepare_rows(steps, texts)
    with pytest.raises(InputError, match="tokenise alone"):
        apply_steps(steps, texts)
    assert fit_steps(steps[:1], texts) == (steps[0],)
    for strings in (texts, texts.astype(np.str_)):
        with pytest.raises(InputError, match="let `preprocess` be a tokenise step"):
            prepare_rows((), strings)


def test_a_model_with_other_names_says_which_is_which(file: Path) -> None:
    asked = {"file": str(file), "max_length": 8, "pad_id": 7, "inputs": {"mask": "attention_mask", "ids": "input_ids"}}
    step = Tokenise.read(asked)
    plain, named = Tokenise(file, 8, pad_id=7).apply(["good film", "bad"]), step.apply(["good film", "bad"])
    assert list(named.arrays) == ["mask", "ids"]
    np.testing.assert_array_equal(named.arrays["ids"], plain.arrays["input_ids"])
    np.testing.assert_array_equal(named.arrays["mask"], plain.arrays["attention_mask"])
    assert named.padding == {"mask": 0.0, "ids": 7.0}
    assert Tokenise.read(step.as_dict()["tokenise"]) == step
    with pytest.raises(InputError, match=r"inputs is \{'ids': 'tokens'\}"):
        Tokenise.read({**asked, "inputs": {"ids": "tokens"}})
