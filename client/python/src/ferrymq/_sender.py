"""The task that carries a publisher's batches to the broker and the confirms back."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ferrymq._backoff import Backoff
from ferrymq._batch import Batch
from ferrymq._outbox import Outbox
from ferrymq._session import EOF, Session, Stream, rpc
from ferrymq._signal import first_of
from ferrymq._wire import stream_request
from ferrymq.errors import Error, from_failure, unavailable
from ferrymq.settings import ClientOptions
from ferrymq.v1.messaging_service_pb2 import PublishStreamResponse

log = logging.getLogger("ferrymq")
_PATH = "/ferrymq.v1.MessagingService/PublishStream"


class Sender:
    """Sends what is in the outbox, on one stream after the other."""

    def __init__(self, session: Session, options: ClientOptions, header: bytes, outbox: Outbox) -> None:
        self._session = session
        self._header = header
        self._outbox = outbox
        self._backoff = Backoff(options.backoff_min, options.backoff_max)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Runs, if it does not yet."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def join(self) -> None:
        """Waits until all is sent and answered, once the outbox is closed."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        try:
            while await self._has_work():
                try:
                    await self._carry()
                except Error as error:
                    if not error.is_transient:
                        self._outbox.end(error)
                        return
                    await self._broken(error)
        except BaseException:
            self._outbox.end(unavailable("the publisher was cancelled"))
            raise

    async def _has_work(self) -> bool:
        while self._outbox.is_empty:
            if self._outbox.is_closing:
                return False
            await self._outbox.changed.wait()
        return True

    async def _broken(self, error: Error) -> None:
        if self._outbox.is_empty:
            return
        pause = self._backoff.pause(error.retry_after)
        log.warning("publisher of %s: %s; connecting again in %.1f s", self._outbox.name, error, pause)
        await asyncio.sleep(pause)

    async def _carry(self) -> None:
        """One stream, until it breaks or the publisher is closed and all is answered."""
        self._outbox.send_again()
        stream = self._session.stream(_PATH, None, PublishStreamResponse)
        loop = asyncio.get_running_loop()
        confirms = loop.create_task(self._take_confirms(stream))
        batches = loop.create_task(self._send_batches(stream))
        try:
            await first_of(confirms, batches)
        finally:
            stream.cancel()

    async def _send_batches(self, stream: Stream) -> None:
        outbox = self._outbox
        loop = asyncio.get_running_loop()
        while True:
            ready = outbox.next(loop.time())
            if isinstance(ready, Batch):
                await rpc(stream.write(stream_request(ready.id, self._header, ready.parts)))
            elif ready is not None:
                await _until(outbox, ready - loop.time())
            elif outbox.is_closing and outbox.is_empty:
                await rpc(stream.done_writing())
                return
            else:
                await outbox.changed.wait()

    async def _take_confirms(self, stream: Stream) -> None:
        while True:
            response: Any = await rpc(stream.read())
            if response is EOF:
                # Whatever the status, confirms that are open now will not come on this stream.
                raise unavailable("the broker ended the stream")
            self._backoff.reset()
            for confirm in response.confirms:
                failed = confirm.WhichOneof("outcome") == "failure"
                self._outbox.confirmed(confirm.id, from_failure(confirm.failure) if failed else confirm.confirmed)


async def _until(outbox: Outbox, seconds: float) -> None:
    """Until something changes, or so long."""
    loop = asyncio.get_running_loop()
    timer = loop.call_later(seconds, outbox.changed.wake)
    try:
        await outbox.changed.wait()
    finally:
        timer.cancel()
