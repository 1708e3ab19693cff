"""One handing-over of a message, and what is done with it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, Protocol, TypeVar

from ferrymq._settle import ACK, Action, Settled
from ferrymq.message import DeadLetter, Message, Position, decoded
from ferrymq.v1 import message_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_REASON_PREFIX = "DEAD_LETTER_REASON_"
# What a reason may have, in bytes; a longer one is cut rather than refused.
_REASON_BYTES_MAX = 1_024


class Received:
    """What was delivered, apart from settling it."""

    __slots__ = ("_message", "wire")

    def __init__(self, wire: message_pb2.Delivery) -> None:
        self.wire = wire
        """As the API has it."""
        self._message: Message | None = None

    @property
    def message(self) -> Message:
        """The message as it was published."""
        if self._message is None:
            self._message = decoded(self.wire.message)
        return self._message

    @property
    def payload(self) -> bytes:
        """The message's payload."""
        return self.wire.message.payload

    def json(self) -> Any:
        """The payload read as JSON. Raises ValueError if it is none."""
        return json.loads(self.payload)

    @property
    def attempt(self) -> int:
        """1 for the first delivery; above, it may have been delivered before."""
        return self.wire.attempt

    @property
    def position(self) -> Position:
        """Where it stands in the log: the identity of the message."""
        return Position(self.wire.position.log, self.wire.position.offset)

    @property
    def topic(self) -> str:
        """The topic it was published to. Empty: straight to the queue."""
        return self.wire.topic

    @property
    def publish_time(self) -> datetime:
        """When the broker took it, by the broker's clock, in UTC."""
        return _time(self.wire.publish_time_ms)

    @property
    def dead_letter(self) -> DeadLetter | None:
        """In a dead-letter queue: where it came from, and why."""
        if not self.wire.HasField("dead_letter"):
            return None
        dead = self.wire.dead_letter
        reason = message_pb2.DeadLetterReason.Name(dead.reason)[len(_REASON_PREFIX) :]
        position = Position(dead.position.log, dead.position.offset)
        return DeadLetter(dead.queue, reason, dead.attempts, dead.description, _time(dead.time_ms), dead.topic, position)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.position} attempt={self.attempt} payload={self.payload[:40]!r}>"


OutcomeT = TypeVar("OutcomeT", covariant=True)


class Settler(Protocol[OutcomeT]):
    """Where settlements of a delivery go."""

    def settle(self, ack_id: bytes, action: Action) -> OutcomeT:
        """Takes one. An empty id: there is nothing to settle."""


class Settleable(Received, Generic[OutcomeT]):
    """A delivery that waits to be settled. What `ack` and the others give can be awaited for a `SettleStatus`, and need not be.

    One that is never settled is held until its subscriber is closed, or its connection hangs for a whole lease. Of a broadcast
    nothing is settled: all is OK at once.
    """

    __slots__ = ("_ack_id", "_settler")

    def __init__(self, wire: message_pb2.Delivery, ack_id: bytes, settler: Settler[OutcomeT]) -> None:
        # Not by super(), and with the id read once for all: this is done for each of very many.
        self.wire = wire
        self._message = None
        self._ack_id = ack_id
        self._settler = settler

    def ack(self) -> OutcomeT:
        """Done: it never comes back."""
        return self._settler.settle(self._ack_id, ACK)

    def retry(self, reason: str = "", *, delay: float | None = None) -> OutcomeT:
        """Failed: it comes again after the queue's backoff (or `delay` seconds), after too many failures as a dead letter.

        The reason, of at most 1,024 bytes, is for whoever looks there.
        """
        return self._settle(Action("RETRY", delay, _cut(reason)))

    def release(self, *, delay: float | None = None) -> OutcomeT:
        """Not tried: it goes back to its place at once, or after `delay` seconds, and no failure is counted."""
        return self._settle(Action("RELEASE", delay))

    def reject(self, reason: str = "") -> OutcomeT:
        """Will never work: it goes to the dead letters now."""
        return self._settle(Action("REJECT", None, _cut(reason)))

    def extend(self, lease: float | None = None) -> OutcomeT:
        """Needs longer: the lease runs anew from now, for so many seconds or as the queue says. Usually done by itself."""
        return self._settle(Action("extend", lease))

    def _settle(self, action: Action) -> OutcomeT:
        return self._settler.settle(self._ack_id, action)


class Delivery(Settleable[Settled]):
    """A delivery that waits to be settled: see `Settleable`."""

    __slots__ = ()


def _cut(reason: str) -> str:
    encoded = reason.encode("utf-8", "replace")
    if len(encoded) <= _REASON_BYTES_MAX:
        return encoded.decode()
    return encoded[:_REASON_BYTES_MAX].decode("utf-8", "ignore")


def _time(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
