"""Commands that the documents quote exist, and the generated pages are those of the commands."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from sartor.cli.main import app

from .pages import ROOT, commands, documents

COMMANDS: Mapping[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
QUOTED = sorted({(page.name, " ".join(words)) for page in documents() for words in commands(page) if words})


def test_the_documents_quote_commands() -> None:
    assert {text.split()[0] for _, text in QUOTED} == set(COMMANDS)


@pytest.mark.parametrize(("page", "text"), QUOTED)
def test_a_quoted_command_exists_with_its_options(page: str, text: str) -> None:
    name, *words = text.split()
    assert name in COMMANDS, page
    options = {flag for parameter in COMMANDS[name].params for flag in parameter.opts if flag.startswith("-")}
    unknown = [word for word in words if word.startswith("-") and word not in options]
    assert unknown == [], page


def test_the_generated_pages_are_up_to_date() -> None:
    script = ROOT / "scripts" / "generate_cli.py"
    ended = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_every_exit_code_is_in_both_readmes_and_on_the_page() -> None:
    for name in ("README.md", "README.zh-CN.md", "docs/cli/index.md"):
        found = re.findall(r"^\| (\d+) \|", (ROOT / name).read_text(encoding="utf-8"), re.M)
        assert found == ["0", "1", "2", "3", "4", "130"], name


def test_every_target_named_in_the_documents_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    for page in documents():
        for name in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.M):
            assert name in targets, page.name


def test_every_target_says_what_it_does() -> None:
    makefile = Path(ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.M)
    assert phony is not None
    described = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.M))
    assert set(phony.group(1).split()) == described
