"""The one thread that uses the bundle; the event loop stays free for other connections meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sartor.bundle.bundle import Bundle

Result = TypeVar("Result")


class Worker:
    """Runs calls on a bundle one after the other, in the order in which they came.

    A session serves one call at a time: its buffers are reused, and its threads were chosen for one call alone.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._thread = ThreadPoolExecutor(1, "sartor-bundle")

    async def call(self, function: Callable[[Bundle], Result]) -> Result:
        """What `function` returns or raises, called in the thread once those before it are done."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, self._bundle)

    def close(self) -> None:
        """Let the call that runs end; those that wait are dropped."""
        self._thread.shutdown(cancel_futures=True)
