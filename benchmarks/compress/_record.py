"""The JSON line of a benchmark, printed and, where asked, appended to a file of results."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from _common import finish


def record(name: str, result: dict[str, Any], holds: bool, to: Path | None) -> int:
    """As `finish`; the same line goes to the end of a file as well."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = finish(name, result, holds)
    print(printed.getvalue(), end="", flush=True)
    if to is not None:
        with to.open("a", encoding="utf-8") as file:
            file.write(printed.getvalue())
    return code
