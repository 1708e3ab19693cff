"""The thread that runs the event loop of this process, which all synchronous clients share."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Item = TypeVar("Item")
# At most so long is waited at the end of the program for the loop to stop.
_STOP_SECONDS = 2.0


class Portal:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(_on_error)
        self._thread = threading.Thread(target=self._run, name="ferrymq", daemon=True)
        self._thread.start()
        atexit.register(self._stop)

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Runs it in the loop and waits for it. Raises TimeoutError after `timeout` seconds; it is cancelled then."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("ferrymq.sync cannot be used within its own event loop")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise TimeoutError(f"not within {timeout} s") from None
        except BaseException:
            # Interrupted while waiting: nobody waits for it any more.
            future.cancel()
            raise

    def call(self, function: Callable[[], T]) -> T:
        """Calls it in the loop and waits for it."""

        async def called() -> T:
            return function()

        return self.run(called())

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def _stop(self) -> None:
        if self.process == os.getpid():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(_STOP_SECONDS)


class Relay(Generic[Item]):
    """Carries items from any thread to the loop, many in one go."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[Item], None]) -> None:
        self._loop = loop
        self._take = take
        self._items: deque[Item] = deque()
        self._is_scheduled = False

    def post(self, item: Item) -> None:
        """Hands it over; in the loop it is there before whatever is handed to the loop afterwards."""
        self._items.append(item)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        # Before it looks: whoever posts from now on has it called again.
        self._is_scheduled = False
        items, take = self._items, self._take
        while items:
            take(items.popleft())


_lock = threading.Lock()
_portal: Portal | None = None


def portal() -> Portal:
    """The one of this process; made when it is first needed, so also in one that was forked off."""
    global _portal
    if _portal is None:
        with _lock:
            if _portal is None:
                _portal = Portal()
    return _portal


def _after_fork() -> None:
    """The loop's thread has stayed in the parent, and the lock may have been held there."""
    global _portal, _lock
    _portal = None
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def _on_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """With several loops in a process grpc.aio wakes all of them for what one reads: for the others there is nothing to read."""
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)
