"""What a publisher holds: the batch that is being filled, those to be sent, and those that were and are not confirmed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from ferrymq._batch import Batch, Confirm
from ferrymq._signal import Signal
from ferrymq.errors import Error, unavailable
from ferrymq.settings import PublisherOptions
from ferrymq.v1.messaging_service_pb2 import PublishResponse

# So many unconfirmed batches keep the connection busy; more of them have to be full.
_BUSY = 2
# What a message takes beside its bytes.
OVERHEAD_BYTES = 64


class Outbox:
    """All that is not confirmed, in order."""

    def __init__(self, options: PublisherOptions, name: str) -> None:
        self.name = name
        """Of the destination, for the log."""
        self.changed = Signal()
        """There may be something to send."""
        self.is_closing = False
        self.ended: Error | None = None
        """Why nothing is sent any more."""
        self.sealed = 0
        """How many batches have been full so far."""
        self.on_freed: Callable[[int], None] | None = None
        """Told of so many bytes, and what messages take beside them, that are not held any more."""
        self._options = options
        # Looked at for each message.
        self._unconfirmed_bytes = options.unconfirmed_bytes
        self._batch_bytes = options.batch_bytes
        self._batch_messages = min(max(options.batch_messages, 1), 10_000)
        self._filling: Batch | None = None
        self._to_send: deque[Batch] = deque()
        self._sent: dict[int, Batch] = {}
        self._bytes = 0
        self._last_id = 0
        self._hurry_to = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_empty(self) -> bool:
        """True if all is confirmed or refused."""
        return not (self._sent or self._to_send or self._filling)

    def has_room(self, size: int) -> bool:
        """True if a message of so many bytes may be added now. One always may."""
        taken = self._bytes
        return not self._waiters and (taken + size <= self._unconfirmed_bytes or taken == 0)

    async def room(self, size: int) -> None:
        """Waits until there is room, in the order of those who wait."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            while self._waiters[0] is not waiter or not self._fits(size):
                await waiter
                waiter = self._renewed(waiter)
        finally:
            self._waiters.remove(waiter)
            self._wake_waiter()

    def _renewed(self, waiter: asyncio.Future[None]) -> asyncio.Future[None]:
        again = asyncio.get_running_loop().create_future()
        self._waiters[self._waiters.index(waiter)] = again
        return again

    def _fits(self, size: int) -> bool:
        return self._bytes == 0 or self._bytes + size <= self._unconfirmed_bytes

    def _wake_waiter(self) -> None:
        if self._waiters and not self._waiters[0].done():
            self._waiters[0].set_result(None)

    def add(self, encoded: bytes) -> Confirm:
        """Takes an encoded message."""
        size = len(encoded)
        batch = self._filling
        if batch is not None and batch.bytes + size > self._batch_bytes:
            self._seal()
            batch = None
        if batch is None:
            batch = self._filling = self._new_batch()
        confirm = batch.add(encoded, size)
        self._bytes += size + OVERHEAD_BYTES
        if batch.count >= self._batch_messages:
            self._seal()
        return confirm

    def _new_batch(self) -> Batch:
        loop = asyncio.get_running_loop()
        self._last_id += 1
        batch = Batch(self._last_id, loop.time(), self._options.publish_timeout, loop)
        self.changed.wake()
        if self._timer is None:
            self._timer = loop.call_at(batch.deadline, self._expire)
        return batch

    def _seal(self) -> None:
        if self._filling is not None:
            self._to_send.append(self._filling)
            self._filling = None
            self.sealed += 1
            self.changed.wake()

    def next(self, now: float) -> Batch | float | None:
        """The next batch to send, or when the one that lingers is due, or None: nothing until something changes."""
        if self._to_send:
            batch = self._to_send.popleft()
        else:
            filling = self._filling
            if filling is None or len(self._sent) >= _BUSY:
                return None
            due = filling.since + self._options.linger
            if due > now and filling.id > self._hurry_to and not self.is_closing:
                return due
            batch = filling
            self._filling = None
        batch.is_sent = True
        self._sent[batch.id] = batch
        return batch

    def confirmed(self, batch_id: int, outcome: PublishResponse | Error) -> None:
        """The broker's answer to a batch. One that was given up meanwhile is not known any more."""
        batch = self._sent.pop(batch_id, None)
        if batch is not None:
            self._end(batch, outcome)
            self.changed.wake()

    def send_again(self) -> None:
        """The connection is new: what was sent and not confirmed goes first."""
        self._to_send.extendleft(reversed(self._sent.values()))
        self._sent.clear()

    def end(self, error: Error) -> None:
        """Nothing is sent any more, for this reason. Of what was sent only the broker knows whether it is stored."""
        self.ended = error
        unknown = unavailable(f"not known whether it is stored: the publish stream ended with {error}")
        ended = list(self._open())
        self._sent.clear()
        self._to_send.clear()
        self._filling = None
        for batch in ended:
            self._end(batch, unknown if batch.is_sent else error)
        self.changed.wake()

    async def flush(self) -> None:
        """Waits until all there is now is confirmed or refused."""
        self._hurry_to = self._last_id
        self.changed.wake()
        waited = [batch.done for batch in self._open()]
        if waited:
            await asyncio.wait(waited)
        self.raise_ended()

    def raise_ended(self) -> None:
        """Raises why nothing is sent any more, if so."""
        if self.ended is not None:
            raise self.ended.copy()

    def close(self) -> None:
        """Nothing more comes."""
        self.is_closing = True
        self.changed.wake()

    def _open(self) -> Iterator[Batch]:
        yield from self._sent.values()
        yield from self._to_send
        if self._filling is not None:
            yield self._filling

    def _end(self, batch: Batch, outcome: PublishResponse | Error) -> None:
        freed = batch.bytes + batch.count * OVERHEAD_BYTES
        self._bytes -= freed
        batch.end(outcome, self.name)
        self._wake_waiter()
        if self.on_freed is not None:
            self.on_freed(freed)

    def _expire(self) -> None:
        """Gives up what was tried for too long."""
        self._timer = None
        loop = asyncio.get_running_loop()
        error = unavailable(f"not confirmed within {self._options.publish_timeout:g} s; it may or may not be stored")
        for batch in [batch for batch in self._open() if batch.deadline <= loop.time()]:
            self._forget(batch)
            self._end(batch, error)
        oldest = next(self._open(), None)
        if oldest is not None:
            self._timer = loop.call_at(oldest.deadline, self._expire)
        self.changed.wake()

    def _forget(self, batch: Batch) -> None:
        if self._sent.pop(batch.id, None) is None:
            if batch is self._filling:
                self._filling = None
            else:
                self._to_send.remove(batch)
