"""The page: nothing is missing, nothing is fetched, nothing from outside becomes markup."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sartor.report.page import render_page, write_page
from tests.report.evidence import infeasible, met, provisional

VOID = {"meta", "link", "br", "input", "rect", "line", "circle"}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, text, and the content of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "elements that were never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)
        elif self._open and self._open[-1] != "style":
            self.text += data

    def having(self, attribute: str) -> list[str]:
        """Values of an attribute, wherever it stands."""
        return [str(attributes[attribute]) for _, attributes in self.elements if attribute in attributes]


def read(html: str) -> Page:
    return Page(html)


def test_every_limit_stands_in_the_verdict() -> None:
    page = read(render_page(met(), "out"))
    for said in ("accuracy", "≥ 0.95", "0.9944 [0.9817, 0.9991]", "≤ 300 µs", "59 µs [51 µs, 74 µs]", "≤ 60 kB"):
        assert said in page.text
    assert sum(tag == "svg" for tag, _ in page.elements) == 3


def test_every_candidate_stands_in_the_table_with_its_reason() -> None:
    evidence = met()
    page = read(render_page(evidence, "out"))
    assert sorted(page.having("data-id")) == sorted(c["id"] for c in evidence["candidates"])
    for candidate in evidence["candidates"]:
        assert candidate["why"] in page.text
    assert "NNCF has no entropy calibration" in page.text


def test_combinations_refused_for_one_reason_share_a_row() -> None:
    evidence = met()
    why = "no compression is known for the runtime torch inductor"
    evidence["refusals"] += [{"what": f"{step} in torch inductor", "why": why} for step in ("int8 dynamic", "f32")]
    page = render_page(evidence, "out")
    assert read(page).text.count(why) == 1
    assert all(f"{step} in torch inductor" in read(page).text for step in ("int8 dynamic", "f32"))


def test_what_was_asked_stands_above_the_verdict() -> None:
    evidence = met()
    assert "the search may take" not in read(render_page(evidence, "out")).text
    evidence["need"] |= {"minimise": "latency", "budget": {"time": 480.0}, "workload": {"batch": 4}}
    text = read(render_page(evidence, "out")).text
    assert (
        "the lowest median latency at batch 4 on this machine, within every limit; the search may take 8 min." in text
    )
    assert text.index("the search may take") < text.index("Limit by limit")


def test_how_times_of_quick_launches_compare_is_said_where_there_are_any() -> None:
    assert "a factor of 1.3 to both sides" in read(render_page(met(), "out")).text
    evidence = met()
    for candidate in evidence["candidates"]:
        candidate["latency_from"] = "launches"
    assert "quick launches are compared" not in read(render_page(evidence, "out")).text


def test_styles_leave_plotly_alone() -> None:
    """A rule for `.point` once hid every marker on paper: plotly gives that class to its own elements."""
    (style,) = re.findall(r"<style>(.*?)</style>", render_page(met(), "out"), re.DOTALL)
    assert not re.search(r"(?<!\.bar )\.(point|points|trace|legend|plot-container|main-svg|hoverlayer)\b", style)


def test_what_was_chosen_stands_beside_candidate_zero() -> None:
    text = read(render_page(met(), "out")).text
    for said in (
        "latency p90",
        "71",
        "peak memory",
        "60 MB",
        "1.78%",
        "2.5%",
        "2, this one included",
        "1.25%",
        "172 run",
    ):
        assert said in text


def test_what_a_constant_answer_would_reach_stands_beside_the_quality() -> None:
    assert "a constant answer恒定预测 0.1028" in read(render_page(met(), "out")).text
    assert "a constant answer on confirm" in read(render_page({**met(), "quality_split": "select"}, "out")).text
    assert "a constant answer" not in read(render_page({**met(), "constant_predictor": None}, "out")).text


def test_the_data_report_stands_above_the_splits() -> None:
    evidence = met()
    evidence["models"] = {
        "tiny": {"parameters": 9, "notes": ["12 of 800 texts are longer than 128 tokens and are cut"]}
    }
    text = " ".join(read(render_page(evidence, "out")).text.split())
    assert "1,797 texts" in text
    assert "3 to 420 characters; half up to 57, 99% up to 188" in text
    assert "3 至 420 字符" in text
    assert "neg 400, pos 400" in text
    assert "2 of 800 texts cannot be read" in text
    assert "tiny: 12 of 800 texts are longer than 128 tokens and are cut" in text
    numbers = evidence | {"data": evidence["data"] | {"kind": "numbers", "sizes": {"unit": "numbers", "shape": [30]}}}
    assert "30" in read(render_page(numbers, "out")).text


def test_without_error_shares_the_openings_are_still_said() -> None:
    text = read(render_page({**met(), "error_shares": None}, "out")).text
    assert "2, this one included" in text
    assert "Error allowed to this opening" not in text


@pytest.mark.parametrize("make", [met, provisional, infeasible])
def test_nothing_is_fetched(make: Callable[[], dict[str, Any]]) -> None:
    html = render_page(make(), "out")
    page = read(html)
    for attribute in ("src", "href", "action", "srcset", "poster", "data"):
        assert all(value.startswith(("#", "data:")) for value in page.having(attribute))
    assert not re.search(r"@import|url\(", html)
    assert not re.search(r"https?://", html)
    (policy,) = [a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a]
    assert "default-src 'none'" in str(policy)


def test_hostile_words_stay_words() -> None:
    evil = "</script><script>alert(1)</script><img src=http://evil.example onerror=alert(2)>"
    evidence = met()
    evidence["candidates"][1] |= {"id": evil, "model": evil, "why": evil}
    evidence["refusals"].append({"what": evil, "why": f"`{evil}`"})
    evidence["training"] = {evil: evidence["training"]["cnn"]}
    evidence["machine"]["cpu"] = evidence["sentence"] = evidence["metric"] = evil
    evidence["need"]["data"] = evil
    evidence["limits"][0]["why"] = evidence["limits"][0]["name"] = evil
    clean, page = read(render_page(met(), "out")), read(render_page(evidence, evil))
    assert [tag for tag, _ in page.elements].count("script") == [tag for tag, _ in clean.elements].count("script")
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert not page.having("onerror")
    assert evil in page.text


def test_embedded_data_is_json_that_cannot_leave_its_script() -> None:
    evidence = met()
    evidence["training"]["cnn"]["history"][0]["loss"] = math.nan
    evidence["candidates"][1]["model"] = "</script>\u2028<!--"
    page = read(render_page(evidence, "out"))
    figures = json.loads(page.scripts[0])
    assert figures["losses"]["en"]["data"][0]["y"][0] is None
    assert "<" not in page.scripts[0]
    assert set(figures["trade_off"]) == {"en", "zh"}


@pytest.mark.parametrize("make", [met, provisional, infeasible])
def test_both_languages_stand_side_by_side(make: Callable[[], dict[str, Any]]) -> None:
    page = read(render_page(make(), "out"))
    spans = [a["lang"] for tag, a in page.elements if tag == "span" and a.get("class") == "t"]
    assert spans.count("en") == spans.count("zh-Hans") > 20


def test_free_sentences_are_marked_as_english() -> None:
    evidence = provisional()
    evidence["candidates"][1]["why"] = "failed: nobody foresaw `this`"
    assert '<span lang="en">failed: nobody foresaw <code>this</code></span>' in render_page(evidence, "out")


def test_provisional_evidence_says_that_nothing_is_proved() -> None:
    text = read(render_page(provisional(), "out")).text
    assert "Not proved yet" in text
    assert "not judged yet" in text
    assert "sartor predict out DATA -o OUT" in text


def test_infeasible_evidence_names_what_binds_and_what_is_nearest() -> None:
    text = read(render_page(infeasible(), "out")).text
    for said in ("Infeasible", "≤ 1 ns", "The limit that binds", "74 µs [36 µs, 80 µs]", "There is no bundle to run"):
        assert said in text
    assert "sartor predict" not in text


def test_unproved_json_without_limits_values_renders() -> None:
    evidence = infeasible()
    evidence |= {"verdict": "not_met", "sentence": "Not met: no candidate is left.", "binding": None, "nearest": None}
    assert "Not met" in read(render_page(evidence, "out")).text
    assert "Not proved yet" in read(render_page({}, "out")).text


@pytest.mark.parametrize("open_end", [math.inf, None])
def test_infinite_intervals_are_said(open_end: float | None) -> None:
    evidence = met()
    evidence["limits"][1]["high"] = open_end
    assert "59 µs [51 µs, unbounded]" in read(render_page(evidence, "out")).text


def test_open_ends_of_every_figure_are_said() -> None:
    evidence = met()
    open_ends = {"low": None, "high": None}
    evidence["limits"][0] |= open_ends
    evidence["speedup"] |= open_ends
    for found in (*evidence["quality"].values(), *evidence["memory"].values()):
        found |= open_ends
    for candidate in evidence["candidates"]:
        for found in (candidate["latency"], candidate["quality"], *candidate["figures"].values()):
            if found:
                found |= open_ends
    text = read(render_page(evidence, "out")).text
    assert text.count("[unbounded, unbounded]") > 5
    assert "no difference in speed is proved" in text
    assert "None" not in text


def test_commands_are_quoted_for_their_language() -> None:
    text = read(render_page(met(), 'my "best" one')).text
    assert "sartor predict 'my \"best\" one' DATA" in text
    assert 'Bundle.load("my \\"best\\" one")' in text


def test_the_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    to = tmp_path / "report.html"
    write_page(met(), tmp_path / "digits", to)
    assert "<strong>digits</strong>" in to.read_text(encoding="utf-8")
    before = to.read_bytes()
    broken = {**met(), "limits": [{"name": "size"}]}
    with pytest.raises((KeyError, TypeError, AttributeError)):
        write_page(broken, tmp_path / "digits", to)
    assert to.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
