"""What the documents of the repository contain: their code blocks, headings and quoted commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
_INLINE = re.compile(r"`((?:[\w./]*/)?sartor [^`]+)`")


def documents() -> list[Path]:
    """Every Markdown file that a reader meets."""
    return [*READMES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str | None = None) -> list[str]:
    """The code blocks of a page, of one language if given."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [text for name, text in found if language in (None, name)]


def headings(page: Path) -> list[int]:
    """The levels of a page's headings, in order."""
    prose = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    return [len(marks) for marks in re.findall(r"^(#+) ", prose, re.M)]


def commands(page: Path) -> list[list[str]]:
    """Every `sartor ...` that a page quotes, split into words: lines of bash blocks and inline code."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    inline = _INLINE.findall(_BLOCK.sub("", page.read_text(encoding="utf-8")))
    words = [shlex.split(line, comments=True) for line in (*lines, *inline)]
    return [_arguments(line) for line in words if line and line[0].endswith("sartor")]


def _arguments(words: list[str]) -> list[str]:
    end = next((index for index, word in enumerate(words) if word in (">", "|")), len(words))
    return words[1:end]
