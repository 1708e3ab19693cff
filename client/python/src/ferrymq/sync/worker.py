"""Running a handler in threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import ferrymq.worker
from ferrymq.sync._portal import Portal


class Worker:
    """Runs a handler for each delivery, in so many threads. Made by `Client.worker`. As `ferrymq.Worker`."""

    def __init__(self, portal: Portal, make: Callable[[], ferrymq.worker.Worker]) -> None:
        self._portal = portal
        self._inner = portal.call(make)

    def stop(self) -> None:
        """Begins nothing new; `run` ends once handlers have, or after ``drain_timeout``. From any thread or signal handler."""
        self._portal.loop.call_soon_threadsafe(self._inner.stop)

    def run(self) -> None:
        """Until it is stopped, or its subscriber ends: then raises why. Ctrl-C stops it in order, then raises KeyboardInterrupt."""
        running = asyncio.run_coroutine_threadsafe(self._inner.run(), self._portal.loop)
        try:
            running.result()
        except BaseException:
            self.stop()
            with contextlib.suppress(Exception):
                running.result()
            raise
