"""Recipes in the language of the reader, from their values or from the labels that the search writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from sartor.plan.recipe import CompressionStep, StepName
from sartor.report.texts import RUNTIME_NAMES, TEXTS, Language, Pair

Step = tuple[str, tuple[str, ...]]
"""A step's name and its settings, as its label says them: ("prune", ("time 0.394", "taylor"))."""

_PRECISIONS = ("f32", "bf16", "f16")
_NAMES: Mapping[str, str] = {CompressionStep(name).label: name for name in get_args(StepName)}
_PART = re.compile(r"(?P<name>[\w ]+?)(?: \((?P<settings>.+)\))?")
# What a setting says in words; `{}` is what stood in the group. Others are shown as they are.
_SETTINGS: tuple[tuple[str, Pair], ...] = (
    (r"corrected", ("biases corrected", "偏置修正")),
    (r"tensor", ("one scale a matrix", "每矩阵一个缩放因子")),
    (r"equalise (.+)", ("equalised, {}", "均衡化 {}")),
    (r"group (\d+)", ("groups of {}", "每组 {}")),
    (r"1 layers? in f32", ("1 layer in f32", "1 层保留 f32")),
    (r"(\d+) layers? in f32", ("{} layers in f32", "{} 层保留 f32")),
    (r"taylor", ("chosen by gradients", "按梯度选择")),
    (r"magnitude", ("chosen by weights", "按权重选择")),
    (r"layers", ("whole layers", "整层")),
    (r"activation", ("chosen by activations", "按激活选择")),
    (r"answers of (.+)", ("on the answers of {}", "学习 {} 的输出")),
    (r"(onnxruntime|openvino) (\S+)", ("times of {}, {}", "计时依据 {}，{}")),
)
_SHARE = re.compile(r"time (\d(?:\.\d+)?)")
_SIZED: Mapping[str, Pair] = {
    "prune": ("pruned to {share} of its time", "剪枝至原时间的 {share}"),
    "low-rank": ("low rank, {share} of its time", "低秩分解至原时间的 {share}"),
}
_SHORTENED: Pair = ("whole layers left out, {share} of its time", "去掉整层，至原时间的 {share}")
_ROUNDINGS = re.compile(r"(onnxruntime|openvino) ")
_THROUGH: Pair = ("recovered through roundings to 8 bits", "穿过 8 位舍入恢复训练")


def steps_of_values(steps: Iterable[Mapping[str, Any]]) -> list[Step]:
    """The steps of a recipe in the evidence, without those that do nothing."""
    return [(str(step["name"]), _said(step)) for step in steps if step.get("name") != "none"]


def _said(step: Mapping[str, Any]) -> tuple[str, ...]:
    settings = step.get("settings", {}).items()
    said = [value if isinstance(value, str) else f"{key} {value}" for key, value in settings]
    kept = len(step.get("keeps", ()))
    return (*said, f"{kept} layers in f32") if kept else tuple(said)


def steps_of_label(label: str) -> list[Step] | None:
    """The steps that a recipe's label names, or None when it has another form.

    >>> steps_of_label("pruned (time 0.394, taylor) + recovered + int8 static (minmax)")
    [('prune', ('time 0.394', 'taylor')), ('recover', ()), ('int8-static', ('minmax',))]
    """
    found: list[Step] = []
    for part in label.split(" + "):
        match = _PART.fullmatch(part)
        name = match["name"] if match else ""
        if match is None or name not in {*_NAMES, *_PRECISIONS}:
            return None
        settings = tuple(match["settings"].split(", ")) if match["settings"] else ()
        found.append((name if name in _PRECISIONS else _NAMES[name], settings))
    return found


def recipe_words(steps: Sequence[Step], language: Language, *, whole: bool = False) -> str:
    """Steps in words.

    Args:
        whole: with what units were chosen by and whose times counted; else only how small the network became.

    >>> recipe_words([("prune", ("time 0.394", "taylor")), ("recover", ())], "en")
    'pruned to 39% of its time + recovered'
    """
    return " + ".join(_step_words(step, language, whole=whole) for step in steps)


def _step_words(step: Step, language: Language, *, whole: bool) -> str:
    name, settings = step
    words = TEXTS[name][language == "zh"] if name in TEXTS else name
    sized = next((match for setting in settings if (match := _SHARE.fullmatch(setting))), None)
    if name == "recover" and not whole and (through := [one for one in settings if _ROUNDINGS.match(one)]):
        words = _THROUGH[language == "zh"]
        settings = tuple(one for one in settings if one not in through)
    if sized and name in _SIZED:
        form = _SHORTENED if "layers" in settings else _SIZED[name]
        words = form[language == "zh"].format(share=f"{float(sized[1]):.0%}")
        settings = tuple(setting for setting in settings if not _SHARE.fullmatch(setting)) if whole else ()
    if not settings:
        return words
    said = ("，" if language == "zh" else ", ").join(_setting_words(setting, language) for setting in settings)
    return f"{words}（{said}）" if language == "zh" else f"{words} ({said})"


def _setting_words(setting: str, language: Language) -> str:
    for form, pair in _SETTINGS:
        match = re.fullmatch(form, setting)
        if match:
            return pair[language == "zh"].format(*(RUNTIME_NAMES.get(group, group) for group in match.groups()))
    return setting


_SIZED_LABEL = re.compile(r"(?P<name>pruned|low rank|recovered) \((?P<settings>[^()]*)\)")


def readable(sentence: str) -> str:
    """A sentence in which the labels of smaller networks say how small they are, and no more.

    >>> readable("Met by cnn, pruned (time 0.394, taylor, openvino int8-static-minmax) + recovered, openvino.")
    'Met by cnn, pruned to 39% of its time + recovered, openvino.'
    """

    def shorter(match: re.Match[str]) -> str:
        return _step_words((_NAMES[match["name"]], tuple(match["settings"].split(", "))), "en", whole=False)

    return _SIZED_LABEL.sub(shorter, sentence)
