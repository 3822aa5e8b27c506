"""The inspect page and the terminal: whole in both languages, nothing fetched, nothing from a file becomes markup."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from rich.console import Console

from sartor.cost.capture import capture
from sartor.cost.roofline import MemoryLevel, Roofs
from sartor.cost.transformer import read_transformer
from sartor.errors import OutputError
from sartor.figures import Figure
from sartor.plan.inspect import inspect
from sartor.plan.inspect_transformer import inspect_transformer
from sartor.plan.inspection import Change, Inspection, Target
from sartor.report.inspect_layers import layers_picture
from sartor.report.inspect_page import render_inspection, write_inspection
from sartor.report.inspect_roofline import left_out, roofline
from sartor.report.inspect_terminal import print_inspections
from sartor.report.inspect_words import amount, change_sentence
from tests.cost.files import graph, value, weight, write
from tests.report.test_report_page import read

EVIL = "</script><script>alert(1)</script><img src=x>"
LEVELS = (MemoryLevel("L2", 50e9, 1e4), MemoryLevel("DRAM", 10e9, 1e10))
TARGET = Target(Roofs("box", {"float32": 100e9, "int8": 400e9}, LEVELS, 1e-6), "measured", 1e10, ("a note of the box",))


def write_net(path: Path, first: str = "net.first.weight") -> Path:
    nodes = [
        helper.make_node("MatMul", ["x", first], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"], perm=[1, 0]),
        helper.make_node("Foreign", ["b"], ["c"], domain="local", name="stranger"),
        helper.make_node("MatMul", ["x", "net.second.weight"], ["y"]),
    ]
    weights = [weight(name, np.full((64, 64), n, np.float32)) for n, name in enumerate((first, "net.second.weight"))]
    return write(path, graph(nodes, [value("x", [32, 64])], [value("y", None), value("c", None)], weights))


def inspected(folder: Path, target: Target | None = TARGET, **names: str) -> Inspection:
    return inspect(capture(write_net(folder / "net.onnx", **names)), target)


def language_model(target: Target | None = TARGET) -> Inspection:
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 100}
    config = {"model_type": "llama", "num_attention_heads": 4, "rms_norm_eps": 1e-5, **sizes}
    return inspect_transformer(read_transformer(config), "tiny", 1, 16, "float32", target)


def figures(html: str) -> Any:
    return json.loads(next(script for script in read(html).scripts if script.startswith('{"roofline_0"')))


def test_totals_operators_and_what_is_unknown_stand_on_the_page(tmp_path: Path) -> None:
    page = read(render_inspection([inspected(tmp_path)]))
    for said in ("net on box", "x 32x64 float32", "524 kFLOP", "local.Foreign", "a note of the box", "call overhead"):
        assert said in page.text
    assert page.having("data-id") == [
        f"0-{row.name}" for row in sorted(inspected(tmp_path).rows, key=lambda row: -row.share)
    ]


def test_two_stand_side_by_side(tmp_path: Path) -> None:
    html = render_inspection([inspected(tmp_path), inspected(tmp_path, Target(TARGET.roofs, "published", 1e10))])
    page = read(html)
    assert "1.00×" in page.text
    assert page.having("data-figure") == ["roofline_0", "roofline_1", "layers_0", "layers_1"]
    assert {name.partition("-")[0] for name in page.having("data-id")} == {"0", "1"}


def test_without_a_machine_there_are_counts_and_no_roofline(tmp_path: Path) -> None:
    page = read(render_inspection([inspected(tmp_path, None)]))
    assert page.having("data-figure") == ["layers_0"]
    assert "no machine is known" in page.text
    assert "predicted time" not in page.text


def test_a_language_model_has_phases_and_no_operators() -> None:
    page = read(render_inspection([language_model()]))
    for said in ("prefill", "decode", "预填充", "cache per token", "decode in int8"):
        assert said in page.text
    assert page.having("data-figure") == ["roofline_0"]
    assert read(render_inspection([language_model(None)])).having("data-figure") == []


def test_nothing_is_fetched(tmp_path: Path) -> None:
    html = render_inspection([inspected(tmp_path)])
    page = read(html)
    for attribute in ("src", "href", "action", "srcset", "poster", "data"):
        assert all(reference.startswith(("#", "data:")) for reference in page.having(attribute))
    assert not re.search(r"https?://", html)


def test_names_of_a_file_stay_words(tmp_path: Path) -> None:
    hostile = f"net.{EVIL}.weight"
    clean, page = (read(render_inspection([inspected(tmp_path, first=name)])) for name in ("net.first.weight", hostile))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in clean.elements]
    assert "<script>" not in json.dumps(roofline(inspected(tmp_path, first=hostile), "en"))
    assert "<img" not in json.dumps(layers_picture(inspected(tmp_path, first=hostile), "en"))


def test_the_pictures_are_taken_by_plotly(tmp_path: Path) -> None:
    import plotly.graph_objects as go

    drawn = figures(render_inspection([inspected(tmp_path), language_model()]))
    assert drawn["layers_1"] is None
    for figure in (drawn["roofline_0"], drawn["layers_0"], drawn["roofline_1"]):
        for language in ("en", "zh"):
            plain = json.loads(re.sub(r'"--[\w-]+"', '"#000000"', json.dumps(figure[language])))
            assert go.Figure(plain).data


def test_points_lie_on_or_below_every_roof(tmp_path: Path) -> None:
    found = inspected(tmp_path)
    picture = roofline(found, "en")
    assert picture is not None
    discs = [trace for trace in picture["data"] if trace["mode"] == "markers"]
    points = [point for trace in discs for point in zip(trace["x"], trace["y"], strict=True)]
    assert len(points) == 1  # both products are alike
    fastest = LEVELS[0]
    assert all(y <= TARGET.roofs.attainable(x, "float32", fastest) for x, y in points)
    assert left_out(found) == pytest.approx(
        sum(row.share for row in found.rows if row.type in ("Transpose", "Foreign"))
    )


def test_a_layer_holds_what_lies_under_it(tmp_path: Path) -> None:
    found = inspected(tmp_path)
    picture = layers_picture(found, "en")
    assert picture is not None
    (tree,) = picture["data"]
    shares = dict(zip(tree["labels"], tree["values"], strict=True))
    assert shares["net"] == pytest.approx(1)
    assert shares["first"] + shares["second"] == pytest.approx(1)
    assert shares["second"] == pytest.approx(found.rows[3].share)


@pytest.mark.parametrize(
    ("moved", "says"),
    [
        (0.83, "int8 moves 83% of the time from compute-bound to memory-bound: expected 2.9x, 2.4-3.3."),
        (0.0, "int8: expected 2.9x, 2.4-3.3; memory binds 10% of the time today, 93% then."),
    ],
)
def test_a_change_in_words(moved: float, says: str) -> None:
    factor = Figure(2.9, "", 2.4, 3.3, "roofline")
    change = Change(
        "int8", "", factor, moved, {"memory:L2": 0.1, "compute": 0.9}, {"memory:L2": 0.93, "overhead": 0.07}
    )
    assert change_sentence(change, "en") == says
    assert "2.4-3.3" in change_sentence(change, "zh")


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0"), (9_999, "9,999"), (37_220, "37.2 k"), (8.03e9, "8.03 G"), (1.5e12, "1.5 T")]
)
def test_counts_are_short(count: float, said: str) -> None:
    assert amount(Figure.exact(count, "")) == said


def test_the_terminal_names_the_rest(tmp_path: Path) -> None:
    written = io.StringIO()
    print_inspections(Console(file=written, width=110), [inspected(tmp_path)], top=2)
    text = written.getvalue()
    for said in ("net on box", "roofs measured here", "and 2 more", "Binds: ", "Not counted", "local.Foreign", "· "):
        assert said in text


def test_a_page_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_inspection([inspected(tmp_path)], tmp_path / "absent" / "page.html")
    write_inspection([inspected(tmp_path)], tmp_path / "page.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "page.html"]


def test_a_calibration_is_told_in_both_languages(tmp_path: Path) -> None:
    from tests.plan.learning import learnt

    found = inspect(capture(write_net(tmp_path / "net.onnx")), TARGET, calibration=learnt(), file_bytes=1e5)
    html = render_inspection([found])
    for said in (
        "Predicted here, in each runtime and arithmetic",
        "在本机各运行时与算术类型下的预测",
        "calibrated on this machine",
    ):
        assert said in html
    assert html.count("onnxruntime</th>") == 1
    out = io.StringIO()
    print_inspections(Console(file=out, width=200), [found], 5)
    assert "Predicted: " in out.getvalue()
    assert "nine times of ten between" in out.getvalue()
    assert "off before: half, a tenth" in out.getvalue()
