"""Names of things in the language of the reader: fixed texts, limits, recipes, settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sartor.report.recipes import recipe_words, steps_of_values
from sartor.report.texts import RUNTIME_NAMES, TEXTS, Language


def text(key: str, language: Language, **values: Any) -> str:
    """One fixed text, with `values` put in.

    >>> text("threads", "zh", count=4)
    '4 线程'
    """
    return TEXTS[key][language == "zh"].format(**values)


def known(key: str, language: Language) -> str:
    """A fixed text, or the word itself where there is none, as for a metric or runtime of the user's own."""
    return text(key, language) if key in TEXTS else RUNTIME_NAMES.get(key, key)


def limit_name(name: str, language: Language) -> str:
    """A limit in words.

    >>> limit_name("accuracy_drop", "en"), limit_name("accuracy_drop", "zh")
    ('drop of accuracy', '准确率下降')
    """
    if name.endswith("_drop"):
        return text("drop_of", language, metric=known(name.removesuffix("_drop"), language))
    return known(name, language)


def recipe_name(candidate: Mapping[str, Any], language: Language, *, whole: bool = False) -> str:
    """The recipe of a candidate in words, with the precision it computes in where that is not f32.

    Args:
        whole: with what a pruning went by.
    """
    steps = steps_of_values(candidate.get("recipe", {}).get("steps", ()))
    named = [recipe_words(steps, language, whole=whole) if steps else text("none_step", language)]
    precision = candidate.get("settings", {}).get("precision", "f32")
    if precision != "f32":
        named = [*named, str(precision)] if steps else [str(precision)]
    return " + ".join(named)


def settings_words(settings: Mapping[str, Any], language: Language) -> str:
    """Threads, shape policy, batch and precision in words."""
    threads = settings.get("threads", 1)
    words = [text("one_thread", language) if threads == 1 else text("threads", language, count=threads)]
    words.append(known(f"shape_{settings.get('shape', 'fixed')}", language))
    if "batch" in settings:
        words.append(text("batch", language, count=settings["batch"]))
    words.append(text("computes_in", language, precision=settings.get("precision", "f32")))
    return ("，" if language == "zh" else ", ").join(words)
