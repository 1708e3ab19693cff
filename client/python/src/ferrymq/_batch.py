"""Messages that are published together, and what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator

from ferrymq._varint import message_prefix
from ferrymq.errors import Error
from ferrymq.message import PublishResult, result_of
from ferrymq.v1.messaging_service_pb2 import PublishResponse

log = logging.getLogger("ferrymq")


class Batch:
    """One batch: it is confirmed or refused as a whole."""

    __slots__ = ("bytes", "count", "deadline", "done", "id", "is_awaited", "is_sent", "parts", "since")

    def __init__(self, batch_id: int, now: float, timeout: float, loop: asyncio.AbstractEventLoop) -> None:
        self.id = batch_id
        self.since = now
        self.deadline = now + timeout
        self.parts: list[bytes] = []
        """Each message behind its prefix."""
        self.count = 0
        self.bytes = 0
        self.done: asyncio.Future[PublishResponse | Error] = loop.create_future()
        self.is_awaited = False
        self.is_sent = False
        """On this stream or one before: the broker may have it."""

    def add(self, message: bytes, size: int) -> Confirm:
        """One more message, of so many bytes."""
        index = self.count
        self.parts += (message_prefix(size), message)
        self.bytes += size
        self.count = index + 1
        return Confirm(self, index)

    def end(self, outcome: PublishResponse | Error, name: str) -> None:
        """The broker's answer, or why there is none. `name` is of the destination, for the log."""
        self.parts = []
        if self.done.done():
            return
        if isinstance(outcome, Error) and not self.is_awaited:
            # Whoever comes late still gets it; nobody may ever come.
            log.warning("publisher of %s: %d messages were not confirmed: %s", name, self.count, outcome)
        self.done.set_result(outcome)


class Confirm:
    """Whether a message is on disk: ``await confirm`` gives its `PublishResult`, or raises the error of its batch.

    It need not be awaited, and may be more than once.
    """

    __slots__ = ("_batch", "_index")

    def __init__(self, batch: Batch, index: int) -> None:
        self._batch = batch
        self._index = index

    def __await__(self) -> Generator[object, None, PublishResult]:
        if not self._batch.done.done():
            yield from self.wait().__await__()
        return self.result()

    async def wait(self) -> None:
        """Until it is done, however it ends."""
        self._batch.is_awaited = True
        # Shielded: who waits may be cancelled, what others wait for is not.
        await asyncio.shield(self._batch.done)

    def done(self) -> bool:
        """True once the broker has answered, or the message was given up."""
        return self._batch.done.done()

    def result(self) -> PublishResult:
        """The result. Raises the error of the batch; `asyncio.InvalidStateError` while it is not done."""
        outcome = self._batch.done.result()
        if isinstance(outcome, Error):
            # A new one for each who asks: a raised error collects the traceback of who raised it.
            raise outcome.copy()
        return result_of(outcome.results[self._index])
