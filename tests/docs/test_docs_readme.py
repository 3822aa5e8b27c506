"""What the READMEs and the docs say is so."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sartor.cli.main import run
from sartor.data.sources_builtin import BUILTIN
from sartor.errors import SartorError
from sartor.model.zoo import ARCHITECTURES
from sartor.need import PERFORMANCE_LIMITS, QUALITY_METRICS, Budget, DataSpec, Need, TrainSpec, Workload
from sartor.need.read import parse_need
from sartor.steps import read_steps

from .pages import READMES, ROOT, blocks, documents, headings

EXAMPLE = ROOT / "examples" / "digits.py"
NEED_PAGE = (ROOT / "docs" / "need.md").read_text(encoding="utf-8")
PARTS = (Need, DataSpec, TrainSpec, Workload, Budget)
# The pages of the examples are held to their folders by tests/examples.
PAGES = [page for page in documents() if page.parent.name != "examples"]
NEEDS = [(page, text) for page in PAGES for text in blocks(page, "yaml") if "task:" in text]


@pytest.mark.parametrize(("page", "text"), NEEDS, ids=[page.name for page, _ in NEEDS])
def test_every_need_shown_is_a_need(page: Path, text: str) -> None:
    need = parse_need(text, page.name)
    assert need.limits
    assert need.budget.time == 120


def test_the_needs_of_the_main_pages_are_among_those_checked() -> None:
    assert {"README.md", "README.zh-CN.md", "need.md", "rooms.md"} <= {page.name for page, _ in NEEDS}


def test_the_need_of_the_rooms_page_is_the_demo() -> None:
    shown = parse_need(blocks(ROOT / "docs" / "rooms.md", "yaml")[0])
    demo = parse_need((ROOT / "src" / "sartor" / "cli" / "demo.yaml").read_text(encoding="utf-8"))
    assert shown == demo


def write_need(page: Path, folder: Path) -> None:
    """Save the first Need that a page shows."""
    (folder / "need.yaml").write_text(blocks(page, "yaml")[0], encoding="utf-8")


def test_the_readme_need_can_be_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_need(READMES[0], tmp_path)
    assert run(["fit", str(tmp_path / "need.yaml"), "-o", str(tmp_path / "out"), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "accuracy >= 0.95, latency_p99 <= 1 ms, size <= 120 kB" in shown
    assert not (tmp_path / "out").exists()


def test_the_rooms_page_says_what_a_dry_run_of_the_demo_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs" / "rooms.md"
    write_need(page, tmp_path)
    assert run(["fit", str(tmp_path / "need.yaml"), "-o", str(tmp_path / "out"), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    rows = re.findall(r"^ +(\w+) +(\d+) rows$", shown, re.M)
    text = page.read_text(encoding="utf-8")
    assert len(rows) == 4
    assert all(f"{count} {split}" in text for split, count in rows)
    proved = re.search(r"up to (0\.\d+)", shown)
    assert proved is not None
    assert proved.group(1) in text


def test_both_readmes_have_the_same_headings_and_code() -> None:
    english, chinese = READMES
    assert headings(english) == headings(chinese)
    assert blocks(english) == blocks(chinese)


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_a_readme_stays_short_and_its_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 175
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_the_readme_snippet_is_the_example(page: Path) -> None:
    code = EXAMPLE.read_text(encoding="utf-8").partition('"""\n\n')[2]
    assert blocks(page, "python") == [code]


def test_the_snippet_of_the_index_page_fits_the_same_need() -> None:
    snippet, code = blocks(ROOT / "docs" / "index.md", "python")[0], blocks(READMES[0], "python")[0]
    assert snippet.partition("print(")[0] == code.partition("print(")[0]
    compile(snippet, "index.md", "exec")


@pytest.mark.slow
def test_the_readme_commands_run_one_after_the_other(tmp_path: Path) -> None:
    write_need(READMES[0], tmp_path)
    block = next(text for text in blocks(READMES[0], "bash") if "--dry-run" in text)
    for line in block.splitlines():
        if line.startswith("sartor serve"):  # does not end; the test below runs it
            continue
        command = line.partition("#")[0].replace("sartor", f"{sys.executable} -m sartor", 1)
        ended = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        # A machine that others keep busy may prove less; nothing else may go wrong.
        assert ended.returncode in ((0, 3) if line.startswith(("sartor fit", "sartor measure")) else (0,)), ended.stderr
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"need.yaml", "cnn.yaml", "out", "result.json", "predictions.csv"}
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["limits"]
    assert len((tmp_path / "predictions.csv").read_text(encoding="utf-8").splitlines()) == 1798


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the block asks the server with curl")
def test_your_own_model_in_ten_lines(tmp_path: Path) -> None:
    block = next(text for text in blocks(READMES[0], "bash") if "sartor init" in text)
    lines = [line for line in block.splitlines() if not line.startswith("pip ")]
    assert len(lines) < 10
    port = str(free_port())
    script = "\n".join(["set -e", *lines, "kill $!", "wait"]).replace("localhost:8000", f"localhost:{port}")
    script = script.replace("sartor serve tumours", f"sartor serve tumours --port {port}")
    script = re.sub(r"^sartor", f"{sys.executable} -m sartor", script, flags=re.M)
    ended = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (answer,) = json.loads(ended.stdout)["predictions"]
    assert answer["label"] in ("malignant", "benign")
    assert len((tmp_path / "tumours.csv").read_text(encoding="utf-8").splitlines()) == 570


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.slow
def test_the_readme_need_with_a_microsecond_is_infeasible(tmp_path: Path) -> None:
    text = blocks(READMES[0], "yaml")[0].replace('"<= 1 ms"', '"<= 1 us"')
    (tmp_path / "need.yaml").write_text(text, encoding="utf-8")
    assert run(["fit", str(tmp_path / "need.yaml"), "-o", str(tmp_path / "out")]) == 4


@pytest.mark.slow
def test_the_example_runs_and_recognises_a_zero(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, EXAMPLE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(("met - Met by ", "not_met - Not met: "))
    assert "'label': '0'" in ended.stdout.splitlines()[-1]
    assert (tmp_path / "digits-bundle" / "bundle.json").is_file()


def test_the_need_page_names_every_key() -> None:
    missing = [key for part in PARTS for key in part.model_fields if f"`{key}`" not in NEED_PAGE]
    assert missing == []


def test_the_need_page_names_every_limit_metric_source_and_model() -> None:
    drops = [f"{metric}_drop" for metric in QUALITY_METRICS]
    words = [*PERFORMANCE_LIMITS, *QUALITY_METRICS, *drops, *BUILTIN, *(f"zoo:{name}" for name in ARCHITECTURES)]
    assert [word for word in words if f"`{word}`" not in NEED_PAGE] == []


def test_the_need_page_gives_the_defaults_of_the_zoo() -> None:
    for name, architecture in ARCHITECTURES.items():
        row = next(line for line in NEED_PAGE.splitlines() if line.startswith(f"| `zoo:{name}`"))
        missing = [knob for knob, value in architecture.knobs.items() if f"`{knob}` ({value.default})" not in row]
        assert missing == [], name


def test_the_need_page_gives_the_defaults_of_a_need() -> None:
    need = Need(task="tabular-regression", model="zoo:mlp", data="table.csv")
    for key in ("train", "confidence", "minimise", "on", "seed"):
        row = next(line for line in NEED_PAGE.splitlines() if line.startswith(f"| `{key}` |"))
        assert row.split("|")[2].strip() == f"`{getattr(need, key)}`"
    assert (need.workload.batch, need.budget.time) == (1, 600)
    assert "`{batch: 1}`" in NEED_PAGE
    assert "`{time: 10 min}`" in NEED_PAGE


def test_the_need_page_shows_steps_that_can_be_read() -> None:
    section = NEED_PAGE.partition("## Steps")[2].partition("## Training")[0]
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)`", section, re.M)
    assert {name for name, _ in rows} == known_steps()
    assert len(read_steps([{name: yaml.safe_load(settings)} for name, settings in rows])) == len(rows)


def known_steps() -> set[str]:
    """Names of all steps, as the error of an unknown one lists them."""
    with pytest.raises(SartorError, match="unknown step") as caught:
        read_steps([{"unknown": 1}])
    return set(caught.value.allowed.split(", "))  # type: ignore[attr-defined]


def test_functions_named_in_the_docs_exist() -> None:
    text = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("rooms.md", "figures.md"))
    names = sorted(set(re.findall(r"`(sartor\.\w+\.[\w.]+)`", text)))
    assert len(names) > 20
    assert [name for name in names if not _exists(name)] == []


def _exists(name: str) -> bool:
    import pkgutil

    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_paths_named_in_contributing_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`((?:docs|tests|src|\.ci)/[\w./]+)`", text))
    rooms = set(re.findall(r"`((?:runtime|compress|plan|fit|data|need|measure)/[\w./]+\.py)`", text))
    assert len(names) > 4
    assert len(rooms) > 6
    gone = [name for name in names if "NAME" not in name and not (ROOT / name).exists()]
    assert gone + [name for name in rooms if not (ROOT / "src" / "sartor" / name).exists()] == []
