"""The quantizers print, log and draw progress bars on stdout; Sartor's stdout is for one JSON object."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def quiet() -> Iterator[None]:
    """Swallow stdout and log records below CRITICAL for as long as the block runs (in the whole process)."""
    before = logging.root.manager.disable
    # Their `logging.warning` would otherwise configure the root logger for the whole process.
    placeholder = logging.NullHandler()
    logging.root.addHandler(placeholder)
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
        logging.root.removeHandler(placeholder)
