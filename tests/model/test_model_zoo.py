"""The zoo: shapes, reasons for refusal, and knobs that do what they say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.errors import ModelError
from sartor.model.zoo import ARCHITECTURES, build, why_not

pytest.importorskip("torch")
import torch

PICTURES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 4, 7)]


def size(name: str, **knobs: int) -> int:
    return sum(weight.numel() for weight in build(name, (1, 8, 8), 10, **knobs).parameters())


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("shape", PICTURES)
def test_default_knobs_take_every_usual_picture(name: str, shape: tuple[int, ...]) -> None:
    module = build(name, shape, 7).eval()
    assert module(torch.zeros(3, *shape)).shape == (3, 7)


def test_a_table_needs_the_mlp() -> None:
    assert why_not("mlp", (30,)) is None
    assert "pictures" in str(why_not("cnn", (30,)))
    assert "4x4" in str(why_not("resnet", (1, 3, 9)))
    with pytest.raises(ModelError, match="zoo:mlp"):
        build("cnn", (30,), 2)


def test_the_cnn_is_compact_by_default() -> None:
    assert 20_000 <= size("cnn") <= 60_000


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(sorted(ARCHITECTURES)),
    width=st.integers(4, 20),
    depth=st.integers(1, 3),
    wider=st.integers(1, 8),
)
def test_parameters_grow_with_every_knob(name: str, width: int, depth: int, wider: int) -> None:
    here = size(name, width=width, depth=depth)
    assert here < size(name, width=width + wider, depth=depth)
    assert here < size(name, width=width, depth=depth + 1)
