"""What stands beside a point of the trade-off picture."""

from __future__ import annotations

import textwrap
from html import escape

from sartor.report.drawing import Values
from sartor.report.interval import interval_text
from sartor.report.points import model_of
from sartor.report.sentences import chinese as in_chinese
from sartor.report.texts import Language
from sartor.report.words import known, recipe_name, settings_words, text
from sartor.units import format_value

_WRAP = 68  # letters in one line of a hover


def hover(candidate: Values, others: int, metric: str, language: Language) -> str:
    """What stands beside a point; everything that comes from outside is escaped, since plotly reads tags."""
    latency, quality = candidate["latency"], candidate.get("quality")
    colon = "：" if language == "zh" else ": "
    model, runtime = model_of(candidate), known(str(candidate.get("runtime", "")), language)
    status = "status_chosen" if candidate["status"] == "chosen" else candidate["status"]
    why = str(candidate.get("why") or "")
    why = (in_chinese(why) or why) if language == "zh" else why
    lines = [
        f"{recipe_name(candidate, language, whole=True)} · {runtime}",
        settings_words(candidate.get("settings", {}), language),
        *([f"{text('latency', language)}{colon}{interval_text(latency)}"] if latency else []),
        *([f"{known(metric, language)}{colon}{interval_text(quality)}"] if quality else []),
        *(
            [f"{text('file_size', language)}{colon}{format_value(candidate['size_bytes'], 'B')}"]
            if candidate.get("size_bytes")
            else []
        ),
        known(status, language) + (colon + why if why else ""),
        *([f"+ {others} {text('at_this_point', language)}"] if others else []),
    ]
    shown = [escape(part, quote=False) for line in lines for part in _wrapped(line)]
    return "<br>".join([f"<b>{escape(model, quote=False)}</b>", *shown])


def _wrapped(line: str) -> list[str]:
    width = _WRAP if line.isascii() else _WRAP // 2
    return textwrap.wrap(line, width) or [line]
