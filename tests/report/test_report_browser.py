"""The page in a real browser: it draws, it switches its language, and it fits a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from sartor.report.page import write_page
from tests.report.evidence import met
from tests.report.smaller import smaller

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--window-size=1280,900",
    "--virtual-time-budget=30000",
]
# A window of a headless browser is never as narrow as a phone, a frame is.
# Its time is virtual and does not wait for the thread that unpacks plotly, so each look burns some real time.
PROBE = """
<iframe id="phone" src="report.html#zh" style="width:390px;height:844px;border:0"></iframe>
<script>
const looks = setInterval(() => {
  const page = document.getElementById("phone").contentDocument;
  let burnt = 0;
  while (burnt < 3e7) burnt += 1;
  const plots = [...page.querySelectorAll(".plot")];
  if (!plots.length || plots.some((plot) => !plot.querySelector(".main-svg"))) return;
  clearInterval(looks);
  probe(page, page.documentElement, plots);
}, 200);
function probe(page, root, plots) {
  const shown = (selector) => page.defaultView.getComputedStyle(page.querySelector(selector)).display !== "none";
  const state = () => ({ lang: root.lang, english: shown('h2 .t[lang="en"]'), chinese: shown('h2 .t[lang="zh-Hans"]'),
    hash: page.defaultView.location.hash, axis: page.querySelector("[data-figure=trade_off] .xtitle")?.textContent });
  const found = { chinese: state(), plots: plots.length, width: root.scrollWidth, frame: root.clientWidth };
  const plot = page.querySelector("[data-figure=trade_off]");
  plot.emit("plotly_click", { points: [{ customdata: "cnn.int8-dynamic.onnxruntime.f32.t1.fixed" }] });
  found.tapped = page.querySelector("#detail").hidden ? "" : page.querySelector("#detail h4").textContent;
  page.querySelector('[data-language="en"]').click();
  page.querySelector("#filter").value = "int8 failed";
  page.querySelector("#filter").dispatchEvent(new Event("input"));
  found.sifted = page.querySelectorAll("#all tbody tr:not([hidden])").length;
  page.querySelectorAll("#all thead button")[2].click();
  found.fastest = page.querySelector("#all tbody tr").dataset.id;
  setTimeout(() => {
    found.english = state();
    document.body.append(Object.assign(document.createElement("output"), { textContent: JSON.stringify(found) }));
  }, 500);
}
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize(
    ("make", "plots", "fastest"),
    [(met, 3, "cnn.fp16-weights.onnxruntime.f32.t1.fixed"), (smaller, 7, "cnn.pruned-0.394-recovered")],
)
def test_the_page_on_a_phone(make: Callable[[], dict[str, Any]], plots: int, fastest: str, tmp_path: Path) -> None:
    write_page(make(), tmp_path / "out", tmp_path / "report.html")
    (tmp_path / "probe.html").write_text(PROBE, encoding="utf-8")
    found = _probed(tmp_path)
    assert found["width"] <= found["frame"] == 390
    assert found["tapped"].startswith("cnn · int8 dynamic")
    assert found["chinese"] == {
        "lang": "zh-Hans",
        "english": False,
        "chinese": True,
        "hash": "#zh",
        "axis": "单次调用的中位延迟（对数）",
    }
    assert found["english"] == {
        "lang": "en",
        "english": True,
        "chinese": False,
        "hash": "#en",
        "axis": "median latency of one call (log)",
    }
    assert found["sifted"] == 1
    assert found["fastest"] == fastest
    assert found["plots"] == plots


def _probed(folder: Path) -> dict[str, Any]:
    # Pages from files count as strangers to one another; the flag lets the probe look into its frame.
    command = [str(CHROMIUM), *FLAGS, "--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}"]
    command += ["--dump-dom", (folder / "probe.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    match = re.search(r"<output>(.*?)</output>", done.stdout, re.DOTALL)
    assert match is not None, done.stderr[-500:]
    found: dict[str, Any] = json.loads(unescape(match[1]))
    return found
