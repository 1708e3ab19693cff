"""What a subscriber holds, and how it goes on after its connection has broken."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from itertools import repeat

from google.protobuf.timestamp_pb2 import Timestamp

from ferrymq._session import Session
from ferrymq._settle import Settlements, SettleStatus
from ferrymq._signal import Signal
from ferrymq._wire import log_point, source_name, subscribe_request
from ferrymq.delivery import Delivery
from ferrymq.errors import Error
from ferrymq.message import Position
from ferrymq.settings import ClientOptions, Source, SubscriberOptions, Topic
from ferrymq.v1 import message_pb2
from ferrymq.v1 import messaging_service_pb2 as pb

log = logging.getLogger("ferrymq")
# Deliveries of a broadcast that wait for the program; above, no more is read. Elsewhere the prefetch is the limit.
_BROADCAST_WAITING_MAX = 64
_INFO = "/ferrymq.v1.MessagingService/GetServerInfo"


class Inbox:
    """Deliveries that have come, over all streams of a subscriber."""

    def __init__(self, session: Session, client: ClientOptions, source: Source, options: SubscriberOptions) -> None:
        self.name = source_name(source)
        """Of the source, for the log."""
        self.settlements = Settlements()
        self.waiting: deque[Delivery] = deque()
        """What the program has not taken yet."""
        self.changed = Signal()
        """Something has come, or it has ended."""
        self.drained = Signal()
        """The program has taken all there was."""
        self.is_open = False
        """True once the broker has opened it for the first time."""
        self.is_closing = False
        """True once nothing more is wanted."""
        self._session = session
        self._call_timeout = client.call_timeout
        self._request = subscribe_request(source, options, client.max_response_bytes)
        self._broadcast = source if isinstance(source, Topic) else None
        self._held: set[bytes] = set()
        """Delivered and not settled: what is kept over a break of the connection."""
        self._last: Position | None = None
        self._since: Timestamp | None = None

    @property
    def has_work(self) -> bool:
        """True if there is something to settle or to give back."""
        return bool(self._held) or not self.settlements.is_empty

    @property
    def is_broadcast(self) -> bool:
        """True if there is nothing to settle."""
        return self._broadcast is not None

    @property
    def is_bounded(self) -> bool:
        """True if the broker may end the stream in order."""
        return self._broadcast is not None and self._broadcast.stop is not None

    async def request(self) -> pb.SubscribeRequest:
        """How to open the next stream."""
        request = pb.SubscribeRequest()
        request.CopyFrom(self._request)
        if self._broadcast is None:
            request.held_ack_ids.extend(self._held)
            return request
        if self.is_open:
            self._go_on(request)
        elif "latest" in (self._broadcast.start, self._broadcast.stop):
            info = await self._session.call(_INFO, pb.GetServerInfoRequest(), pb.GetServerInfoResponse, self._call_timeout)
            self._since = info.time
        return request

    def _go_on(self, request: pb.SubscribeRequest) -> None:
        """After a break: behind the last message that came, and to the end as it was at the beginning."""
        now = message_pb2.LogPoint(time=self._since)
        if self._last is not None:
            request.start.CopyFrom(log_point(Position(self._last.log, self._last.offset + 1)))
        elif request.start.edge == message_pb2.LOG_EDGE_LATEST:
            request.start.CopyFrom(now)
        if request.stop.edge == message_pb2.LOG_EDGE_LATEST:
            request.stop.CopyFrom(now)

    def take(self, response: pb.ConsumeResponse) -> None:
        """What the broker has sent."""
        if response.HasField("opened"):
            self._opened(response.opened.resume_token)
        if response.deliveries:
            self._delivered(response.deliveries)
        for result in response.settled:
            self._settled(result)

    def _opened(self, token: bytes) -> None:
        if self._request.resume_token and token != self._request.resume_token:
            self._replaced()
        self._request.resume_token = token
        self.is_open = True
        self.changed.wake()

    def _replaced(self) -> None:
        """It came back too late, or to a broker that was restarted: what it held comes again. Late acks still count."""
        if self._held:
            log.warning("subscriber of %s: the leases of %d deliveries were lost", self.name, len(self._held))
        self.waiting.clear()
        self._held.clear()

    def _delivered(self, deliveries: Sequence[message_pb2.Delivery]) -> None:
        if self.is_closing:
            return
        ack_ids = [wire.ack_id for wire in deliveries]
        self.waiting.extend(map(Delivery, deliveries, ack_ids, repeat(self.settlements)))
        if self._broadcast is not None:
            self._last = self.waiting[-1].position
        else:
            self._held.update(ack_ids)
            # What was settled before it was sent has no id.
            self._held.discard(b"")
        self.changed.wake()

    async def room(self) -> None:
        """Waits until more may come: what is not read then waits at the broker."""
        if self._broadcast is not None and len(self.waiting) > _BROADCAST_WAITING_MAX:
            while self.waiting:
                await self.drained.wait()

    def _settled(self, result: pb.SettlementResult) -> None:
        statuses: list[int] = [*result.statuses]
        group = self.settlements.answered(result.id, statuses)
        if group is None or group.action.kind == "extend":
            return
        self._held.difference_update(group.ack_ids)
        lost = statuses.count(SettleStatus.LEASE_LOST.value)
        if lost:
            log.warning("subscriber of %s: %d deliveries were settled after their leases were lost", self.name, lost)

    def can_go_on(self, error: Error) -> bool:
        """Whether trying again can help."""
        if error.reason == "POSITION_TRIMMED" and self._last is not None:
            # Retention has passed what comes next: on with the first that is kept.
            self._last = None
            self._request.start.CopyFrom(log_point("earliest"))
            return True
        return error.is_transient

    def close(self) -> None:
        """Nothing more is wanted; settlements still go out."""
        self.is_closing = True
        self.waiting.clear()
        self.settlements.changed.wake()
        self.drained.wake()
        self.changed.wake()

    def end(self, error: Error | None) -> None:
        """Nothing comes any more."""
        self.settlements.end(error)
        self._held.clear()
        self.changed.wake()
