"""Publishing message after message: batched, confirmed, over reconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from ferrymq._batch import Confirm
from ferrymq._outbox import Outbox
from ferrymq._sender import Sender
from ferrymq._session import Session
from ferrymq._trace import IS_TRACED, with_current
from ferrymq._wire import destination_name, publish_request
from ferrymq.errors import unavailable
from ferrymq.message import Message
from ferrymq.settings import ClientOptions, Destination, PublisherOptions


class Publisher:
    """Publishes to one destination, in order. Made by `Client.publisher`; ``async with`` closes it.

    What was not confirmed when its connection breaks is sent again, so that a message may then be stored twice.
    """

    def __init__(
        self,
        session: Session,
        client: ClientOptions,
        destination: Destination,
        options: PublisherOptions,
        on_close: Callable[[Publisher], None],
    ) -> None:
        header = publish_request(destination, options).SerializeToString()
        self.outbox = Outbox(options, destination_name(destination))
        """What is not confirmed. For `ferrymq.sync`."""
        self._sender = Sender(session, client, header, self.outbox)
        self._on_close = on_close
        self._is_started = False
        self._is_closed = False

    async def publish(self, message: Message) -> Confirm:
        """Takes a message, and waits only while too much is unconfirmed.

        The `Confirm` need not be awaited: a refused batch nobody waits for is a line of log. Raises `Unavailable` once it is
        closed, `Error` once its stream has ended for good, TypeError or ValueError if a field of the message is of another type.
        """
        if self._is_closed:
            raise unavailable("the publisher is closed")
        outbox = self.outbox
        encoded = (with_current(message) if IS_TRACED else message).encode()
        if not outbox.has_room(len(encoded)):
            await outbox.room(len(encoded))
        if outbox.ended is not None:
            outbox.raise_ended()
        sealed = outbox.sealed
        confirm = outbox.add(encoded)
        if not self._is_started:
            self._start()
        if outbox.sealed != sealed:
            # Who publishes in a loop lets each batch go out while the next one is filled.
            await asyncio.sleep(0)
        return confirm

    def add(self, encoded: bytes) -> Confirm:
        """Takes an encoded message, whether there is room or not. For `ferrymq.sync`, which sees to it itself."""
        confirm = self.outbox.add(encoded)
        if self.outbox.ended is not None:
            self.outbox.end(self.outbox.ended)
        if not self._is_started:
            self._start()
        return confirm

    def _start(self) -> None:
        self._is_started = True
        self._sender.start()

    async def flush(self) -> None:
        """Waits until all that was published is confirmed or refused; it does not say which.

        Raises `Error` if its stream has ended for good, so that nothing can be sent any more.
        """
        await self.outbox.flush()

    async def close(self) -> None:
        """Waits until all is confirmed or refused, and ends it. Raises as `flush` does."""
        if not self._is_closed:
            self._is_closed = True
            self.outbox.close()
        await self._sender.join()
        self._on_close(self)
        self.outbox.raise_ended()

    async def __aenter__(self) -> Publisher:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
