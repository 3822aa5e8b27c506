"""What a user sends to `/predict`: a sentence, an image, a sound or numbers, as `Bundle.predict` takes it.

Inside the bundle a text may also be the path of a file. Here it never is: a client must not name files of the server.
"""

from __future__ import annotations

from typing import Any

from sartor.errors import InputError
from sartor.serve.protocol import read_json

FORMS = "text/plain, application/json, image/* or audio/*"


def takes(content_type: str) -> bool:
    """Whether `/predict` reads this media type."""
    return content_type in ("text/plain", "application/json") or content_type.startswith(("image/", "audio/"))


def read_value(body: bytes, content_type: str, *, texts: bool) -> Any:
    """What was posted, for `Bundle.predict`.

    Args:
        body: without compression.
        content_type: the media type without its parameters, in small letters; one that `takes` admits.
        texts: whether the bundle's steps begin with texts.

    Raises:
        InputError: empty, not UTF-8, malformed JSON, or a text where the bundle takes none.
    """
    if not body:
        raise InputError("an empty body", "a sentence, an image, a WAV file, or JSON")
    if content_type.startswith(("image/", "audio/")):
        return body
    value = _text(body) if content_type == "text/plain" else _input(read_json(body))
    if not texts and _holds_text(value):
        raise InputError(
            "a text, and the bundle takes none",
            "numbers as JSON, or the bytes of an image or a sound",
            "send a file with its own Content-Type, such as image/png or audio/wav",
        )
    return value


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InputError("a text that is not UTF-8", "UTF-8") from None


def _input(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) != {"input"}:
        raise InputError(f"a JSON object with {', '.join(map(repr, value)) or 'nothing'}", '{"input": ...}')
    return value["input"]


def _holds_text(value: Any) -> bool:
    """Whether a text is in it, at any depth; JSON is no deeper than its parser lets it be."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            return True
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            # Numbers are by far the most and need no second look.
            waiting.extend(part for part in item if isinstance(part, (str, list, dict)))
    return False
