"""Chinese for the sentences that the search writes.

The search writes its reasons in English. Those that come from a fixed set are recognised here by their form;
a sentence of another form stays English, which is always right, only less comfortable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sartor.report.recipes import recipe_words, steps_of_label
from sartor.report.sentence_forms import REASONS, SENTENCES
from sartor.report.sentence_forms_networks import NETWORK_REASONS
from sartor.report.texts import RUNTIME_NAMES
from sartor.report.words import known

_ENDS = re.compile(r"(?<=\.) (?=[A-Z`])")  # between two sentences
_CHANGE = re.compile(r"(`[^`]+`) to (`[^`]+`)")
_FORMS = tuple((re.compile(form, re.DOTALL), chinese) for form, chinese in (*SENTENCES, *NETWORK_REASONS, *REASONS))
_LABEL = re.compile(r"(?P<model>.+?), (?P<step>.+), (?P<runtime>\w+), (?P<threads>\d+) threads?, (?P<shape>\w+) shape")
_RULES = {"stratified by class": "按类别分层", "groups kept together": "同组不拆分"}


def chinese(sentence: str) -> str | None:
    """Chinese for a sentence of the search, or None when its form is not known.

    >>> chinese("on 359 untouched rows")
    '基于 359 行未接触过的数据'
    """
    for form, translation in _FORMS:
        match = form.fullmatch(sentence)
        if match:
            groups = {name: _group(name, value) for name, value in match.groupdict().items()}
            if None not in groups.values():
                return translation.format(**groups)
    return _in_parts(_ENDS.split(sentence), "") or _in_parts(sentence.split("; "), "；")


def _in_parts(parts: Sequence[str], between: str) -> str | None:
    """Chinese for each part, joined; None where a part has none, or where there is only one."""
    translated = [found for part in parts if (found := chinese(part))] if len(parts) > 1 else []
    return between.join(translated) if len(translated) == len(parts) else None


def _group(name: str, value: str) -> str | None:
    if name == "label":
        return chinese_label(value)
    if name == "rest":
        return chinese(value) or value
    if name == "step":
        return _chinese_step(value)
    if name == "changes":
        return "可将 " + "，并将 ".join(f"{old} 改为 {new}" for old, new in _CHANGE.findall(value))
    if name == "least":
        return known(value, "zh")
    if name == "shape":
        return known(f"shape_{value}", "zh")
    if name == "runtime":
        return RUNTIME_NAMES.get(value, value)
    if name == "rules":
        return "，".join(_RULES.get(rule, rule.replace("seed", "随机种子")) for rule in value.split(", "))
    return value.replace(", ", "、") if name in ("names", "limits") else value


def chinese_label(label: str) -> str:
    """A candidate's label in Chinese, or as it is when it has another form."""
    match = _LABEL.fullmatch(label)
    step = _chinese_step(match["step"]) if match else None
    if match is None or step is None:
        return label
    runtime, shape = RUNTIME_NAMES.get(match["runtime"], match["runtime"]), known(f"shape_{match['shape']}", "zh")
    return f"{match['model']}，{step}，{runtime}，{match['threads']} 线程，{shape}"


def _chinese_step(step: str) -> str | None:
    steps = steps_of_label(step)
    return None if steps is None else recipe_words(steps, "zh")
