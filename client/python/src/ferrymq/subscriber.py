"""A stream of deliveries that goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from ferrymq._consumer import Consumer
from ferrymq._inbox import Inbox
from ferrymq._session import Session
from ferrymq._signal import cancel
from ferrymq.delivery import Delivery
from ferrymq.errors import Error, unavailable
from ferrymq.settings import ClientOptions, Source, SubscriberOptions


class Subscriber:
    """Deliveries: ``async for delivery in subscriber``. Made by `Client.subscribe`; ``async with`` closes it.

    It goes on by itself when its connection breaks, with what it holds, and raises only what trying again cannot help. A broadcast with a
    `stop` ends there.
    """

    def __init__(
        self,
        session: Session,
        client: ClientOptions,
        source: Source,
        options: SubscriberOptions,
        on_close: Callable[[Subscriber], None],
    ) -> None:
        self.inbox = Inbox(session, client, source, options)
        """What has come. For `ferrymq.sync`."""
        self._waiting = self.inbox.waiting
        self._consumer = Consumer(session, client, self.inbox)
        self._close_timeout = client.call_timeout
        self._on_close = on_close
        self._task: asyncio.Task[None] | None = None
        self._is_ended = False
        self._error: Error | None = None

    async def open(self) -> None:
        """Waits until the broker has opened it for the first time: what is published from then on comes. Raises what is in the way."""
        self._start()
        while not (self.inbox.is_open or self._is_ended):
            await self.inbox.changed.wait()
        if self._error is not None:
            raise self._error.copy()

    def __aiter__(self) -> Subscriber:
        return self

    async def __anext__(self) -> Delivery:
        # As `next`, but without awaiting it: this is done for each of very many.
        waiting = self._waiting
        if not waiting and not await self.ready():
            raise StopAsyncIteration
        delivery = waiting.popleft()
        if not waiting:
            self.inbox.drained.wake()
        return delivery

    async def next(self) -> Delivery | None:
        """The next delivery; None once it has been closed, or a broadcast is at its end. Raises why it has ended otherwise."""
        waiting = self._waiting
        if not waiting and not await self.ready():
            return None
        delivery = waiting.popleft()
        if not waiting:
            self.inbox.drained.wake()
        return delivery

    async def ready(self) -> bool:
        """Waits until `next` has something to give; False if there will be nothing more. Raises why it has ended otherwise."""
        inbox = self.inbox
        while not inbox.waiting:
            if self._is_ended or inbox.is_closing:
                if self._error is not None:
                    raise self._error.copy()
                return False
            self._start()
            await inbox.changed.wait()
        return True

    async def close(self) -> None:
        """Ends it: settlements are answered, and what is held goes back without a failure. Settling it later fails."""
        inbox = self.inbox
        inbox.close()
        if self._task is not None:
            if inbox.is_open and (self._consumer.is_connected or inbox.has_work):
                await asyncio.wait([self._task], timeout=self._close_timeout)
            await cancel([self._task])
        self._end(None)
        self._on_close(self)

    async def __aenter__(self) -> Subscriber:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._consumer.run()
            self._end(None)
        except Error as error:
            self._end(None if self.inbox.is_closing else error)
        except BaseException:
            self._end(unavailable("the subscriber was cancelled"))
            raise

    def _end(self, error: Error | None) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._error = error
            self.inbox.end(error)
