"""For mkdocstrings: show the bare `>>>` lines of a docstring as examples, not as quotations."""

from __future__ import annotations

import re
from typing import Any

import griffe

_SESSION = re.compile(r"^(>>> .*(?:\n.+)*)", re.M)


class DoctestSections(griffe.Extension):
    """Puts every interactive session of a docstring under `Examples:`."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of each object once it is loaded."""
        if obj.docstring is not None:
            obj.docstring.value = _SESSION.sub(_as_section, obj.docstring.value)


def _as_section(found: re.Match[str]) -> str:
    return "Examples:\n" + "\n".join(f"    {line}" for line in found.group(1).split("\n"))
