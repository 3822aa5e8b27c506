"""The pages of the examples show the files that are run."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartor.need import read_need
from tests.docs.pages import blocks
from tests.examples.running import EXAMPLES, NAMES, ROOT

PAGES = ROOT / "docs" / "examples"
FOUND = sorted(file for name in NAMES for file in (EXAMPLES / name).glob("need*.yaml"))


def test_every_folder_is_an_example_with_a_page_in_the_navigation() -> None:
    folders = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "__pycache__")
    assert folders == sorted(NAMES)
    assert sorted(page.stem for page in PAGES.glob("*.md")) == sorted([*NAMES, "index"])
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"examples/{name}.md" not in navigation] == []


@pytest.mark.parametrize("need", FOUND, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_page_shows_the_need_as_it_is(need: Path) -> None:
    assert need.read_text(encoding="utf-8") in blocks(PAGES / f"{need.parent.name}.md", "yaml")
    assert read_need(need).budget.time <= 1800


def test_the_pages_show_what_was_printed() -> None:
    for name in NAMES:
        assert any("Met by " in text for text in blocks(PAGES / f"{name}.md", "text")), name
