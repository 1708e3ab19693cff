"""Publishing from threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import ferrymq.publisher
from ferrymq._outbox import OVERHEAD_BYTES
from ferrymq._trace import with_current
from ferrymq.errors import unavailable
from ferrymq.message import Message
from ferrymq.sync._outcomes import Confirm
from ferrymq.sync._portal import Portal, Relay, portal

MakePublisher = Callable[[], ferrymq.publisher.Publisher]


class Room:
    """Bytes that may still be held."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._freed = threading.Condition()

    def take(self, size: int) -> None:
        """Waits while too much is held. One message always passes."""
        with self._freed:
            while self._taken and self._taken + size > self._most:
                self._freed.wait()
            self._taken += size

    def give(self, size: int) -> None:
        """What was taken is not held any more."""
        with self._freed:
            self._taken -= size
            self._freed.notify_all()


class _Published(NamedTuple):
    encoded: bytes
    confirm: Confirm


class Inside:
    """What one process has of a publisher."""

    def __init__(self, make: MakePublisher, unconfirmed_bytes: int) -> None:
        self.portal: Portal = portal()
        self.publisher = self.portal.call(make)
        self.room = Room(unconfirmed_bytes)
        self.relay: Relay[_Published] = Relay(self.portal.loop, self._add)
        self.publisher.outbox.on_freed = self.room.give

    def _add(self, published: _Published) -> None:
        published.confirm.inner = self.publisher.add(published.encoded)


class Publisher:
    """As `ferrymq.Publisher`, for any number of threads. Made by `Client.publisher`; ``with`` closes it.

    In a process that is forked off it begins anew: what its parent published is the parent's.
    """

    def __init__(self, make: MakePublisher, unconfirmed_bytes: int) -> None:
        self._make = make
        self._unconfirmed_bytes = unconfirmed_bytes
        self._inside: Inside | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def publish(self, message: Message) -> Confirm:
        """Takes a message, and waits only while too much is unconfirmed.

        Nobody has to ask for the `Confirm`: a refused batch nobody waits for is a line of log. Raises `Unavailable` once it is
        closed, `Error` once its stream has ended for good, TypeError or ValueError if a field of the message is of another type.
        """
        inside = self._here()
        inside.publisher.outbox.raise_ended()
        encoded = with_current(message).encode()
        inside.room.take(len(encoded) + OVERHEAD_BYTES)
        confirm = Confirm(inside.portal)
        inside.relay.post(_Published(encoded, confirm))
        return confirm

    def flush(self) -> None:
        """As `ferrymq.Publisher.flush`."""
        inside = self._here()
        inside.portal.run(inside.publisher.flush())

    def close(self) -> None:
        """Waits until all is confirmed or refused, and ends it. Raises as `flush` does."""
        inside, self._is_closed = self._inside, True
        if inside is not None and inside.portal is portal():
            inside.portal.run(inside.publisher.close())

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _here(self) -> Inside:
        if self._is_closed:
            raise unavailable("the publisher is closed")
        inside = self._inside
        if inside is None or inside.portal is not portal():
            return self._begin()
        return inside

    def _begin(self) -> Inside:
        with self._lock:
            if self._inside is None or self._inside.portal is not portal():
                self._inside = Inside(self._make, self._unconfirmed_bytes)
            return self._inside
