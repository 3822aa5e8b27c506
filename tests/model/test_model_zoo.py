"""The zoo: shapes, reasons for refusal, and knobs that do what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.errors import DataError, ModelError
from sartor.model.export import export_torch
from sartor.model.zoo import ARCHITECTURES, build, why_not
from sartor.model.zoo.vocabulary import train_tokenizer
from sartor.steps.prepared import Prepared

from .preparing import numbers, sentences

pytest.importorskip("torch")
import torch

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 4, 7)]
PICTURES = [name for name, row in ARCHITECTURES.items() if row.needs in ("numbers", "picture")]
TEXTS = [name for name, row in ARCHITECTURES.items() if "text" in row.needs]


def example(name: str) -> Prepared:
    return sentences() if name in TEXTS else numbers(1, 8, 8)


def size(name: str, **knobs: int) -> int:
    return sum(weight.numel() for weight in build(name, example(name), 10, **knobs).parameters())


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("shape", SHAPES)
def test_default_knobs_take_every_usual_picture(name: str, shape: tuple[int, ...]) -> None:
    module = build(name, numbers(*shape), 7).eval()
    assert module(torch.zeros(3, *shape)).shape == (3, 7)


def test_a_table_needs_the_mlp() -> None:
    assert why_not("mlp", numbers(30)) is None
    assert "pictures" in str(why_not("cnn", numbers(30)))
    assert "4x4" in str(why_not("resnet", numbers(1, 3, 9)))
    with pytest.raises(ModelError, match="zoo:mlp"):
        build("cnn", numbers(30), 2)


def test_texts_need_an_architecture_for_texts() -> None:
    assert [name for name in ARCHITECTURES if why_not(name, sentences()) is None] == TEXTS
    assert "needs texts" in str(why_not("transformer", numbers(30)))
    assert "up to 512 tokens" in str(why_not("gru", sentences((600, 3))))
    with pytest.raises(ModelError, match="try zoo:transformer"):
        build("mlp", sentences(), 2)


def test_sequences_that_differ_in_length_are_refused_without_a_mask() -> None:
    rows = Prepared({"": np.zeros((2, 5, 3), np.float32)}, np.array([5, 2]), {"": 0.0})
    assert "one length" in str(why_not("gru", rows))
    assert why_not("gru", numbers(5, 3)) is None
    assert "spectrograms" in str(why_not("gru", numbers(7)))


@pytest.mark.parametrize("name", TEXTS)
def test_padding_changes_nothing(name: str) -> None:
    module, rows = build(name, sentences(), 3).eval(), sentences()
    longer = rows.of_length(11)
    with torch.no_grad():
        first, second = (
            module(**{key: torch.from_numpy(array) for key, array in batch.arrays.items()}) for batch in (rows, longer)
        )
    assert torch.allclose(first, second, atol=1e-5)


def test_the_gru_reads_a_spectrogram_along_its_frames() -> None:
    module = build("gru", numbers(1, 6, 9), 3).eval()
    picture = torch.randn(2, 1, 6, 9)
    assert torch.equal(module(picture), module(picture[:, 0].transpose(1, 2)))


def test_the_cnn_is_compact_by_default() -> None:
    assert 20_000 <= size("cnn") <= 60_000


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ModelError, match="a multiple of 4"):
        build("vit", numbers(1, 8, 8), 2, width=30)


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(sorted(ARCHITECTURES)),
    width=st.integers(2, 5),
    depth=st.integers(1, 3),
    wider=st.integers(1, 2),
)
def test_parameters_grow_with_every_knob(name: str, width: int, depth: int, wider: int) -> None:
    here = size(name, width=4 * width, depth=depth)
    assert here < size(name, width=4 * (width + wider), depth=depth)
    assert here < size(name, width=4 * width, depth=depth + 1)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("vit", numbers(1, 9, 9)),
        ("transformer", sentences()),
        ("gru", sentences()),
        ("gru", numbers(5, 3)),
        ("gru", numbers(1, 6, 9)),
    ],
)
def test_attention_and_recurrence_export_with_free_rows_and_lengths(name: str, rows: Prepared, tmp_path: Path) -> None:
    knobs = {"width": 8, "depth": 1}
    exported = export_torch(build(name, rows, 3, **knobs), rows, tmp_path / "net.onnx")
    assert exported.signature.outputs[0].shape == ("batch", 3)
    free = {spec.shape[:2] for spec in exported.signature.inputs if spec.name in rows.padding}
    assert free == ({("batch", "length")} if rows.padding else set())


def test_a_learnt_vocabulary_reads_texts_it_has_not_seen(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    texts = ["A fine film, with a good plot.", "a bad film", "what a waste of time"] * 4
    tokenizer = Tokenizer.from_file(str(train_tokenizer(texts, tmp_path / "deep" / "tokenizer.json", 200)))
    assert tokenizer.token_to_id("[PAD]") == 0
    assert tokenizer.get_vocab_size() <= 200
    assert tokenizer.encode("A FINE waste").ids == tokenizer.encode("a fine waste").ids
    assert tokenizer.encode("").tokens == ["[CLS]"]
    assert "[UNK]" in tokenizer.encode("\u2603").tokens
    assert "[UNK]" not in tokenizer.encode("good time, bad plot.").tokens


def test_a_vocabulary_needs_texts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="texts to learn"):
        train_tokenizer(["", "  "], tmp_path / "tokenizer.json")
