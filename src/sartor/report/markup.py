"""The templates of the pages, and what puts both languages into them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from sartor.report import sentences, words
from sartor.report.interval import interval_bar, interval_text
from sartor.report.recipes import readable
from sartor.report.texts import TEXTS, Language
from sartor.units import format_value

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

STATUSES = ("chosen", "finalist", "passed", "screened", "planned", "rejected", "failed")
"""In the order that the table of candidates shows them in."""


def percent(share: float) -> str:
    """A share in per cent."""
    return format_value(share, "%")


@cache
def environment() -> Environment:
    """The templates, with what puts both languages into them."""
    from jinja2 import ChainableUndefined, Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("sartor.report", "templates"),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}
    environment.globals.update(
        t=_both,
        attribute=_attribute,
        limit_name=lambda name: _pair(*(words.limit_name(name, lang) for lang in ("en", "zh"))),
        recipe=lambda candidate: _pair(*(words.recipe_name(candidate, lang) for lang in ("en", "zh"))),
        settings=lambda values: _pair(*(words.settings_words(values, lang) for lang in ("en", "zh"))),
        interval_bar=_interval_bar,
        option=_option,
        texts=TEXTS,
        percent=percent,
        rank=lambda status: STATUSES.index(status) if status in STATUSES else len(STATUSES),
    )
    environment.filters.update(
        known=_known,
        say=_say,
        label=lambda label: _pair(readable(str(label)), sentences.chinese_label(str(label))),
        figure=interval_text,
        ends=_ends,
        value=format_value,
        percent=percent,
    )
    return environment


def _both(key: str, **values: Any) -> Markup:
    """A fixed text in both languages; the page shows one of them. Values may be bilingual themselves."""
    english, chinese = ({k: _in(v, lang) for k, v in values.items()} for lang in ("en", "zh"))
    return _pair(words.text(key, "en", **english), words.text(key, "zh", **chinese))


def _in(value: Any, language: Language) -> Any:
    """Names of metrics and the like are given by key and put in language by language."""
    return words.known(value, language) if isinstance(value, str) else value


def both_languages(say: Callable[[Any, Language], str], value: Any) -> Markup:
    """What `say` makes of a value in either language; the page shows one of them."""
    return _pair(say(value, "en"), say(value, "zh"))


def _known(key: Any) -> Markup:
    return _pair(words.known(str(key), "en"), words.known(str(key), "zh"))


def _say(sentence: Any) -> Markup:
    """A sentence of the search: in both languages where its form is known, else in English and marked so."""
    from markupsafe import Markup

    chinese, english = sentences.chinese(str(sentence)), readable(str(sentence))
    if chinese is None:
        return Markup('<span lang="en">{}</span>').format(_prose(english))
    return _pair(_prose(english), _prose(chinese))


def _pair(english: str, chinese: str) -> Markup:
    from markupsafe import Markup, escape

    if english == chinese:
        return escape(english)
    both = Markup('<span class="t" lang="en">{}</span><span class="t" lang="zh-Hans">{}</span>')
    return both.format(english, chinese)


def _prose(sentence: str) -> Markup:
    """Escaped, with `code` set as code."""
    from markupsafe import Markup, escape

    parts = sentence.split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner
        return escape(sentence)
    return Markup("").join(Markup("<code>{}</code>").format(p) if n % 2 else escape(p) for n, p in enumerate(parts))


def _attribute(name: str, key: str) -> Markup:
    """An attribute that the switch changes: English at first, both texts beside it."""
    from markupsafe import Markup

    english, chinese = TEXTS[key]
    return Markup('{0}="{1}" data-attribute="{0}" data-en="{1}" data-zh="{2}"').format(name, english, chinese)


def _ends(figure: Mapping[str, Any]) -> Markup:
    """The interval of a figure; a line may break between its ends only."""
    from markupsafe import Markup

    ends = (format_value(figure[end], figure["unit"]) for end in ("low", "high"))
    return Markup('<small class="ends"><span>[{},</span> <span>{}]</span></small>').format(*ends)


def _option(status: str) -> Markup:
    """A choice of the status filter; an option holds no elements, so the switch changes its text."""
    from markupsafe import Markup

    key = {"chosen": "status_chosen", "": "every_status"}.get(status, status)
    english, chinese = words.known(key, "en"), words.known(key, "zh")
    option = Markup('<option value="{}" data-en="{}" data-zh="{}">{}</option>')
    return option.format(status, english, chinese, english)


def _interval_bar(limit: Mapping[str, Any]) -> Markup:
    from markupsafe import Markup

    return Markup(interval_bar(limit))
