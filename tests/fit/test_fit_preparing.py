"""The steps of rows of sound, where a Hugging Face folder declares them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor import Need
from sartor.data.values import Dataset
from sartor.fit.preparing import specs_of
from sartor.model.values import Model
from sartor.steps.audio import as_clips

DECODE: dict[str, Any] = {"decode_audio": {"rate": 16000}}
LEVEL: dict[str, Any] = {"normalise_rows": {}}
BANK = {"filter_bank": {"rate": 16000, "window": 400, "hop": 160, "bands": 8, "frames": 20}}


def _fit(samples: int) -> dict[str, Any]:
    return {"fit_length": {"samples": samples}}


@pytest.mark.parametrize(
    ("declared", "wanted"),
    [
        ((DECODE, _fit(160_000), LEVEL), (_fit(900), LEVEL)),  # as long as the longest clip of the data
        ((DECODE, LEVEL, _fit(500)), (LEVEL, _fit(500))),
        ((DECODE, _fit(16_000), {"log_mel": {}}), (_fit(16_000), {"log_mel": {}})),  # the model takes nothing else
        ((DECODE, BANK), (BANK,)),
    ],
)
def test_clips_are_no_longer_than_the_model_or_the_data_want(
    declared: tuple[dict[str, Any], ...], wanted: tuple[dict[str, Any], ...], tmp_path: Path
) -> None:
    clips = as_clips([np.zeros(900), np.zeros(300)])
    data = Dataset(clips, np.zeros(2, dtype=np.int64), ("a",), "classification", "clips", input_steps=(DECODE,))
    model = Model("wav", "wav", "huggingface", False, "hash", steps=declared)
    need = Need(task="audio-classification", model="wav", data="clips")
    assert specs_of(need, model, data, tmp_path, (), tmp_path) == wanted
    said = Need(task="audio-classification", model="wav", data="clips", preprocess=[_fit(7000)])
    assert specs_of(said, model, data, tmp_path, (), tmp_path) == (_fit(7000),)
