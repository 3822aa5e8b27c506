"""Rows of several named inputs and of different lengths: a tiny transformer learns to find a word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartor.errors import ModelError, UserCodeError
from sartor.steps.prepared import Prepared
from sartor.train.loop import train
from sartor.train.values import Progress, TrainedModel, TrainingJob, TrainingSettings

pytest.importorskip("torch")
import torch
from torch import Tensor, nn

from sartor.train.feeding import Feed

Array = NDArray[Any]
WORDS, LONGEST, SOUGHT = 12, 20, 3


class Finder(nn.Module):
    """One transformer layer over embedded words, padding masked; what it was called with is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 16)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.head = nn.Linear(16, 2)
        self.widths: list[int] = []

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(rows, words), (rows, words) -> (rows, 2)."""
        self.widths.append(input_ids.shape[1])
        shown = attention_mask.bool()
        hidden = self.layer(self.embedding(input_ids), src_key_padding_mask=~shown)
        found: Tensor = self.head(hidden.masked_fill(~shown[..., None], -1e4).amax(1))
        return found


def sentences(count: int) -> tuple[Prepared, Array]:
    """Random words; the label says whether one of them is the sought one."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(2, LONGEST + 1, count)
    mask = (np.arange(LONGEST) < lengths[:, None]).astype(np.int32)
    words = generator.integers(4, WORDS, (count, LONGEST))
    labels = generator.integers(0, 2, count)
    rows = np.flatnonzero(labels)
    words[rows, generator.integers(0, lengths[rows])] = SOUGHT
    arrays = {"input_ids": words * mask, "attention_mask": mask}
    return Prepared(arrays, lengths, {"input_ids": 0, "attention_mask": 0}), labels


def job(count: int = 600, **changes: Any) -> TrainingJob:
    inputs, labels = sentences(count)
    settings = changes.pop("settings", TrainingSettings(epochs=4, learning_rate=0.01, batch=16))
    return TrainingJob(Finder, inputs, labels, 2, settings=settings, **changes)


def ignore(progress: Progress) -> None:
    """No display."""


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return train(job(), ignore)


def test_a_transformer_learns_from_named_inputs(trained: TrainedModel) -> None:
    assert trained.validation > 0.9


def test_batches_are_as_short_as_their_longest_row_in_random_order(trained: TrainedModel) -> None:
    assert isinstance(trained.module, Finder)
    widths = np.array(trained.module.widths[1 : 1 + 540 // 16])  # after the check of the outputs
    assert widths.mean() < 0.75 * LONGEST
    assert not np.array_equal(widths, np.sort(widths))


def test_equal_seeds_give_equal_weights(trained: TrainedModel) -> None:
    again = train(job(), ignore).module.state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in trained.module.state_dict().items())


def test_pretrained_settings_reach_the_schedule() -> None:
    settings = TrainingSettings(epochs=1, batch=16, pretrained=True)
    done = train(job(200, settings=settings), ignore)
    assert done.chosen.pretrained
    assert done.chosen.learning_rate == pytest.approx(2e-4 / 2**0.5)
    assert any("weight decay 0.01" in reason for reason in done.why)


@pytest.mark.parametrize(("name", "by_name", "keyword"), [("", True, False), ("x", False, False), ("x", True, True)])
def test_a_sole_input_is_given_by_name_only_where_asked(name: str, by_name: bool, keyword: bool) -> None:
    class Told(nn.Module):
        def forward(self, *rows: Tensor, **named: Tensor) -> Tensor:
            return torch.tensor([len(rows), len(named)])

    inputs = Prepared({name: np.zeros((3, 2))})
    feed = Feed.of(TrainingJob(Told, inputs, np.zeros(3), 2, by_name=by_name), Told())
    assert feed.call(Told(), feed.read(np.arange(2))).tolist() == ([0, 1] if keyword else [1, 0])


def test_fractions_become_float32_and_whole_numbers_int64() -> None:
    arrays: dict[str, Array] = {
        "a": np.zeros((2, 1), np.float64),
        "b": np.zeros((2, 1), np.int32),
        "c": np.zeros((2, 1), np.bool_),
    }
    feed = Feed.of(TrainingJob(Finder, Prepared(arrays), np.zeros(2), 2), Finder())
    dtypes = [tensor.dtype for tensor in feed.read(np.arange(2)).values()]
    assert dtypes == [torch.float32, torch.int64, torch.bool]


@pytest.mark.parametrize(
    ("shifts", "arrays", "moved"),
    [
        (True, {"": (3, 1, 20, 20)}, True),
        (False, {"": (3, 1, 20, 20)}, False),
        (True, {"": (3, 1, 8, 8)}, False),
        (True, {"": (3, 20)}, False),
        (True, {"a": (3, 1, 20, 20), "b": (3, 2)}, False),
    ],
)
def test_only_the_sole_picture_of_a_job_that_asks_is_shifted(
    shifts: bool, arrays: dict[str, tuple[int, ...]], moved: bool
) -> None:
    inputs = {name: np.random.default_rng(0).random(shape) for name, shape in arrays.items()}
    feed = Feed.of(TrainingJob(Finder, Prepared(inputs), np.zeros(3), 2, shifts=shifts), Finder())
    first = next(iter(arrays))
    plain, seen = feed.read(np.arange(3)), feed.read(np.arange(3), np.random.default_rng(1))
    assert torch.equal(plain[first], seen[first]) is not moved


def test_outputs_that_do_not_fit_are_refused_for_named_inputs_too() -> None:
    inputs, labels = sentences(50)
    with pytest.raises(ModelError, match="3 classes"):
        train(TrainingJob(Finder, inputs, labels, 3), ignore)


def test_a_module_that_gives_no_tensor_is_refused_and_one_that_raises_is_the_users() -> None:
    class Mute(Finder):
        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            return [] if input_ids.shape[1] else input_ids  # type: ignore[return-value]

    class Broken(Finder):
        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            raise RuntimeError("not today")

    inputs, labels = sentences(50)
    with pytest.raises(ModelError, match=r"Mute\.forward returned list"):
        train(TrainingJob(Mute, inputs, labels, 2), ignore)
    with pytest.raises(UserCodeError, match="not today"):
        train(TrainingJob(Broken, inputs, labels, 2), ignore)


def test_a_slow_machine_still_ends_near_its_limit() -> None:
    """Each look at the clock takes a second: a step lasts several, and one epoch would exceed the limit."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1.0
        return now

    settings = TrainingSettings(epochs=50, learning_rate=0.01, batch=16, time_limit_s=100.0)
    done = train(job(settings=settings), ignore, clock)
    assert len(done.history) == 1
    assert done.seconds < 120


class Pair(nn.Module):
    """Two named inputs to a dictionary of outputs, of which the second is judged."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, left: Tensor, right: Tensor) -> dict[str, Tensor]:
        """(rows, 2), (rows, 2) -> hidden (rows, 4), price (rows, 1)."""
        joined = torch.cat([left, right], 1)
        return {"hidden": joined, "price": self.layer(joined)}


def test_a_regression_on_named_inputs_trains_the_output_that_is_asked_for() -> None:
    rows = np.random.default_rng(0).standard_normal((200, 4))
    prices = 500 + 100 * rows.sum(1)
    inputs = Prepared({"left": rows[:, :2], "right": rows[:, 2:]})
    settings = TrainingSettings(epochs=60, learning_rate=0.05, batch=16)
    done = train(TrainingJob(Pair, inputs, prices, 1, "regression", settings, output="price"), ignore)
    named = {name: torch.tensor(array, dtype=torch.float32) for name, array in inputs.arrays.items()}
    with torch.no_grad():
        assert np.abs(done.module(**named)[:, 0].numpy() - prices).max() < 20
