"""Waiting for something to change, within one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


class Signal:
    """Wakes all who wait. Who waits looks again whether it is as they want."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    def wake(self) -> None:
        """Something has changed."""
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def wait(self) -> None:
        """Until it is woken."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter


async def first_of(*tasks: asyncio.Task[None]) -> None:
    """Until one of them ends; the others are cancelled. Raises what the first that failed did, in the order given."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        failures = await cancel(tasks)
    if failures:
        raise failures[0]


async def cancel(tasks: Iterable[asyncio.Task[None]]) -> list[BaseException]:
    """Cancels what has not ended, and waits for it. What they failed with."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    return [failure for task in tasks if not task.cancelled() and (failure := task.exception()) is not None]
