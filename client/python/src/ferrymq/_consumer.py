"""The task that carries a subscriber's deliveries and settlements, on one stream after the other."""

from __future__ import annotations

import asyncio
import logging

from ferrymq._backoff import Backoff
from ferrymq._inbox import Inbox
from ferrymq._session import EOF, Session, Stream, rpc
from ferrymq._signal import cancel
from ferrymq.errors import Error, unavailable
from ferrymq.settings import ClientOptions
from ferrymq.v1 import messaging_service_pb2 as pb

log = logging.getLogger("ferrymq")
_PATH = "/ferrymq.v1.MessagingService/Consume"


class Consumer:
    """Consumes until it is over."""

    def __init__(self, session: Session, options: ClientOptions, inbox: Inbox) -> None:
        self._session = session
        self._inbox = inbox
        self._backoff = Backoff(options.backoff_min, options.backoff_max)
        self.is_connected = False
        """True while a stream is open, or is being opened."""

    async def run(self) -> None:
        """Until it is closed, the broker ends it in order, or trying again cannot help: then raises why."""
        while True:
            try:
                await self._carry()
                return
            except Error as error:
                if not self._inbox.can_go_on(error):
                    raise
                if self._inbox.is_closing and not self._inbox.has_work:
                    return
                await self._pause(error)

    async def _pause(self, error: Error) -> None:
        self.is_connected = False
        pause = self._backoff.pause(error.retry_after)
        log.warning("subscriber of %s: %s; connecting again in %.1f s", self._inbox.name, error, pause)
        await asyncio.sleep(pause)

    async def _carry(self) -> None:
        """One stream. Returns once it has ended in order."""
        inbox = self._inbox
        self.is_connected = True
        request = await inbox.request()
        inbox.settlements.send_again()
        stream = self._session.stream(_PATH, pb.ConsumeRequest.SerializeToString, pb.ConsumeResponse)
        sending = asyncio.get_running_loop().create_task(self._send(stream, request))
        try:
            while (response := await rpc(stream.read())) is not EOF:
                self._backoff.reset()
                inbox.take(response)
                await inbox.room()
        finally:
            await cancel([sending])
            stream.cancel()
        if not (inbox.is_closing or inbox.is_bounded):
            raise unavailable("the broker ended the stream")

    async def _send(self, stream: Stream, request: pb.SubscribeRequest) -> None:
        """Sends what there is to settle. That the stream has ended is for who reads it to say."""
        settlements = self._inbox.settlements
        try:
            await rpc(stream.write(pb.ConsumeRequest(open=request)))
            while True:
                groups = settlements.take()
                if groups:
                    settling = pb.ConsumeRequest()
                    for group in groups:
                        group.write_to(settling)
                    await rpc(stream.write(settling))
                elif self._inbox.is_closing:
                    # The broker answers what is open, takes back what is held, and ends the stream.
                    await rpc(stream.done_writing())
                    return
                else:
                    await settlements.changed.wait()
        except Error:
            return
