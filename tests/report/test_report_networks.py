"""Smaller networks and layers in 8 bits on the page: every size has its row and its point, in both languages."""

from __future__ import annotations

import re

import pytest

from sartor.report.layer_bars import kept, sensitivities
from sartor.report.networks import recoveries, sizes, smaller_networks
from sartor.report.page import render_page
from sartor.report.recipes import readable, recipe_words, steps_of_label, steps_of_values
from sartor.report.sentences import chinese, chinese_label
from sartor.report.texts import Language
from tests.report.drawn import with_colours
from tests.report.evidence import met
from tests.report.smaller import pruned, smaller
from tests.report.test_report_page import read


def test_sizes_come_from_large_to_small_with_their_training() -> None:
    rows = smaller_networks(smaller())
    assert [row["share"] for row in rows] == [0.75, 0.394, 0.394, 0.286, 0.2]
    assert [row["training"] is not None for row in rows] == [False, False, True, False, False]


def test_every_size_stands_in_the_table_with_its_reason() -> None:
    text = read(render_page(smaller(), "out")).text
    for said in (
        "Smaller networks",
        "pruned to 39% of its time + recovered + int8 static (minmax)",
        "2.7 s, epochs: 3",
    ):
        assert said in text
    assert "trained back: stopped at 40%: 0.310 and likely to end near 0.411, where 0.900 is needed" in text
    assert "1,224 of 4,752 weights" in text
    assert "no other size is likely to be better than 9 µs: the probability is 3%" in text
    assert "Added up they make 1.01%; all layers at once make 1.1%." in text


def test_the_verdict_says_how_small_the_network_is() -> None:
    text = read(render_page(smaller(), "out")).text
    assert "Met by cnn, pruned to 39% of its time + recovered + int8 static (minmax), openvino" in text
    assert "pruned (" not in text


def test_networks_trained_back_are_not_called_untrained() -> None:
    evidence = {**smaller(), "training": {}}
    assert "No model was trained from the beginning" in read(render_page(evidence, "out")).text
    assert "Nothing was trained" in read(render_page({**evidence, "recoveries": []}, "out")).text


def test_without_smaller_networks_there_is_no_section() -> None:
    text = read(render_page(met(), "out")).text
    assert "Smaller networks" not in text
    assert "Layers in 8 bits" not in text


def test_lines_join_the_whole_network_and_what_was_read() -> None:
    picture = sizes(smaller(), "en")
    assert picture is not None
    as_cut, recovered, unread = picture["data"]
    assert as_cut["x"] == [0.394, 0.75, 1.0]
    assert as_cut["y"] == [0.7, 0.97, 0.988]
    assert recovered["x"] == [0.394, 1.0]
    assert recovered["marker"]["symbol"] == ["star", "circle"]
    assert [line["name"] for line in (as_cut, recovered)] == [
        "int8 static (minmax) · OpenVINO, as cut",
        "int8 static (minmax) · OpenVINO, recovered",
    ]
    assert unread["x"] == [0.286, 0.2]
    assert "likely to end near 0.411" in unread["text"][1].replace("<br>", " ")  # why, though it has no latency
    assert [label["text"] for label in picture["layout"]["annotations"]] == ["accuracy ≥ 0.95"]


def test_nothing_read_is_no_picture() -> None:
    assert sizes(met(), "en") is None
    assert recoveries(met(), "en") is None
    assert kept(met(), "en") is None
    assert sensitivities(met(), "en", "cnn") is None


def test_layers_that_stay_in_f32_have_a_colour_of_their_own() -> None:
    evidence = smaller()
    chosen = next(c for c in evidence["candidates"] if c["id"] == evidence["chosen"])
    chosen["recipe"]["steps"][-1]["keeps"] = ["conv0"]
    picture = sensitivities(evidence, "en", "cnn")
    assert picture is not None
    in_8_bits, in_f32 = picture["data"]
    assert [height is None for height in in_8_bits["y"]] == [True, False, False]
    assert [height is None for height in in_f32["y"]] == [False, True, True]
    assert min(height for height in in_8_bits["y"] if height is not None) > 0  # the axis is logarithmic


@pytest.mark.parametrize("language", ["en", "zh"])
def test_plotly_takes_the_pictures(language: Language) -> None:
    from plotly.graph_objects import Figure

    evidence = smaller()
    pictures = (sizes(evidence, language), recoveries(evidence, language), kept(evidence, language))
    for picture in (*pictures, sensitivities(evidence, language, "cnn")):
        assert picture is not None
        assert "<1>" not in str(picture)
        Figure(with_colours(picture))


def test_labels_and_values_name_a_recipe_alike() -> None:
    made = pruned(0.394, "passed")
    recipe = made["label"].removeprefix("cnn, ").partition(", openvino, 1")[0]
    assert steps_of_label(recipe) == steps_of_values(made["recipe"]["steps"])


@pytest.mark.parametrize(
    ("label", "english", "in_chinese"),
    [
        ("int4 weights (group 64)", "int4 weights (groups of 64)", "int4 权重（每组 64）"),
        ("int8 static (corrected)", "int8 static (biases corrected)", "int8 静态量化（偏置修正）"),
        ("int8 static (5 layers in f32)", "int8 static (5 layers in f32)", "int8 静态量化（5 层保留 f32）"),
        ("low rank (time 0.6, openvino f32)", "low rank, 60% of its time", "低秩分解至原时间的 60%"),
        ("pruned (time 0.5) + recovered", "pruned to 50% of its time + recovered", "剪枝至原时间的 50% + 恢复训练"),
        (
            "pruned (time 0.5, layers, openvino f32) + int8 static (minmax)",
            "whole layers left out, 50% of its time + int8 static (minmax)",
            "去掉整层，至原时间的 50% + int8 静态量化（minmax）",
        ),
        (
            "recovered (onnxruntime int8-static-minmax) + int8 static (minmax)",
            "recovered through roundings to 8 bits + int8 static (minmax)",
            "穿过 8 位舍入恢复训练 + int8 静态量化（minmax）",
        ),
        (
            "pruned (time 0.5) + recovered (answers of cnn-width64)",
            "pruned to 50% of its time + recovered (on the answers of cnn-width64)",
            "剪枝至原时间的 50% + 恢复训练（学习 cnn-width64 的输出）",
        ),
        ("fp16 weights + bf16", "fp16 weights + bf16", "fp16 权重 + bf16"),
    ],
)
def test_a_recipe_reads_well_in_both_languages(label: str, english: str, in_chinese: str) -> None:
    steps = steps_of_label(label)
    assert steps is not None
    assert recipe_words(steps, "en") == english
    assert recipe_words(steps, "zh") == in_chinese


def test_the_whole_of_a_recipe_says_what_it_went_by() -> None:
    steps = steps_of_values(pruned(0.394, "passed")["recipe"]["steps"])
    assert "chosen by activations, times of OpenVINO, int8-static-minmax" in recipe_words(steps, "en", whole=True)


def test_a_label_of_another_form_stays_as_it_is() -> None:
    label = "cnn, folded (twice), openvino, 1 thread, fixed shape"
    assert chinese_label(label) == label
    assert readable("pruned (by hand)") == "pruned (by hand)"


@pytest.mark.parametrize(
    "sentence",
    [
        *(row["candidate"]["why"] for row in smaller_networks(smaller()) if row["candidate"]["why"]),
        smaller()["sentence"],
        "unsupported: no channels, heads or hidden units can be cut out.",
        "unsupported: no channels, heads or hidden units can be cut out. If: control flow",
        "unsupported: with the fewest channels that may be left its layers take 1.23 ms, and 1 ms are aimed at",
        "slower in a quick launch than cnn, int8 static (minmax), openvino, 2 threads, fixed shape, which took 316 µs "
        "in one and will probably do",
        "no other size is likely to be better than 9 µs: the probability is 3%",
        "the time ended before another size was better than 9 µs: the probability is 24%",
        "no other size is likely to be good enough: the probability is 3%",
        "the time ended before another size was good enough: the probability is 24%",
        "timed side by side, the same file was faster with 1 thread, dynamic shape",
        "no compression is known for the runtime torch inductor",
        "unsupported: nothing to compress: no product has a matrix of weights",
        "4-bit weights come in groups of 32, 64, 128, not of 48",
        "NNCF corrects biases in every calibration already",
        "int8 static (minmax, corrected) in openvino",
        "bf16 arithmetic in openvino",
        "OpenVINO does not compute in bf16 on this processor (it offers FP32, INT8)",
        "cnn, int8 static (minmax), openvino, 1 thread, fixed shape is no slower and almost sure to be proved",
        "predicted 454 µs [324 µs, 636 µs], and one that is almost sure to be proved took 299 µs: not timed",
        "OpenVINO fuses operators, those of attention as well, while it loads a file",
        "unsupported: nothing to fuse: 12 operators stay as they are",
        "unsupported: no branch can be left out: no sum x + f(x) has f(x) in the shape of x",
        "shape policy buckets in onnxruntime",
        "nothing is compiled per shape: padding would only add work",
        "rows of trained differ in length",
        "97% of the weights in 8 bits",
        "30 activations in 8 bits",
        "in f32 stay 2 LSTM, 1 ConvTranspose",
        "7-bit weights: this processor's 8-bit sums would saturate",
        "121 operators in place of 265, 6 of which are attention",
        "2 operators in place of 7",
        "net in openvino, layers in f32: 3",
        "would take about 204 µs: no faster than what will probably be proved, 140 µs",
    ],
)
def test_its_sentences_are_known_in_chinese(sentence: str) -> None:
    translated = chinese(sentence)
    assert translated is not None
    assert re.search(r"[\u4e00-\u9fff]", translated)
    assert "{" not in translated
    numbers = re.findall(r"\d+\.\d+|\d+%", sentence)
    shares = {f"{float(number):.0%}" for number in numbers if not number.endswith("%")}
    assert all(number in translated or shares & set(re.findall(r"\d+%", translated)) for number in numbers)
