"""Both languages are complete, and the search's fixed sentences are known in Chinese."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from sartor.report import page
from sartor.report.sentences import chinese as in_chinese
from sartor.report.texts import TEXTS
from tests.report.evidence import FIXED_REASONS, infeasible, met, provisional

TEMPLATES = Path(page.__file__).parent / "templates"


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_text_stands_in_both_languages_with_the_same_values() -> None:
    same_in_both = {"auc", "rmse", "on_split", "in_python"}
    for key, (english, chinese) in TEXTS.items():
        assert english.strip(), key
        assert chinese.strip(), key
        assert _fields(english) == _fields(chinese), key
        assert key in same_in_both or re.search(r"[\u4e00-\u9fff]", chinese), key


def test_every_key_that_a_template_names_exists() -> None:
    used = {
        key
        for file in TEMPLATES.glob("*.j2")
        for key in re.findall(r"""(?:\bt|snippet|attribute\("[a-z-]+",)\s*\(?\s*"([\w-]+)"[,)]""", file.read_text())
    }
    assert len(used) > 50
    assert used <= set(TEXTS)


@pytest.mark.parametrize(
    "sentence",
    [
        *FIXED_REASONS,
        *(make()["sentence"] for make in (met, provisional, infeasible)),
        "Met by cnn, f32, openvino, 2 threads, fixed shape: the model as it is; nothing tried was proved faster.",
        'Not met: `accuracy >= 0.98`, `size <= 1 kB`. To have it met, change `a: ">= 1"` to `a: ">= 0.9"`.',
        "Not met: the time budget ended before any candidate could be proved; give `budget: {time: ...}` more.",
        "latency_p99 <= 5 ms: excluded at 99.9% after 100 rows of select",
        "bf16 arithmetic in onnxruntime",
        "made: select, confirm in proportion 20/20, stratified by class, seed 3; 4 rows left confirm because they "
        "also stand in another split",
    ],
)
def test_fixed_sentences_are_known_in_chinese(sentence: str) -> None:
    chinese = in_chinese(sentence)
    assert chinese is not None
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert "{" not in chinese.replace("{time: ...}", "")


def test_a_sentence_of_unknown_form_stays_as_it_is() -> None:
    assert in_chinese("the kernel said {something} unheard of") is None


def test_numbers_survive_translation() -> None:
    sentence = met()["sentence"]
    numbers = re.findall(r"\d+\.\d+", sentence)
    assert numbers == re.findall(r"\d+\.\d+", in_chinese(sentence) or "")
