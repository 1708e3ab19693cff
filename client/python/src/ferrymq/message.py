"""What is published and what comes back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ferrymq._varint import payload_prefix
from ferrymq.v1 import message_pb2, messaging_service_pb2


@dataclass(slots=True)
class Message:
    """A message as its publisher made it. Only `payload` is usual; the limits are the broker's, which refuses what is beyond."""

    payload: bytes = b""
    """The content. With all else of the message at most 1 MiB, unless the broker is set otherwise."""
    attributes: dict[str, str] = field(default_factory=dict)
    """For filters, tracing and the application. At most 64; a key 1 to 128 bytes, a value at most 1,024."""
    routing_key: str = ""
    """Words with dots between, matched by the patterns of bindings. At most 255 bytes."""
    ordering_key: str = ""
    """What a queue that orders by key keeps in order. At most 255 bytes. Empty: no order."""
    message_id: str = ""
    """The publisher's own id. At most 128 bytes."""
    content_type: str = ""
    """MIME type of the payload. At most 128 bytes."""
    priority: int = 0
    """0 (lowest) to the topic's ``priority_levels`` - 1."""
    ttl_ms: int = 0
    """Milliseconds after which it is not delivered any more. 1 to 366 days; 0: the queue's ``message_ttl``."""
    delay_ms: int | None = None
    """Milliseconds from when the broker takes it until it may be delivered, up to 366 days. Not with `deliver_at_ms`."""
    deliver_at_ms: int | None = None
    """When it may be delivered: milliseconds since 1970, up to 366 days ahead."""
    reply_to: str = ""
    """Where an answer goes: ``topic/NAME`` or ``queue/NAME``. At most 255 bytes."""
    correlation_id: str = ""
    """Which request an answer belongs to. At most 128 bytes."""

    @classmethod
    def json(cls, value: Any, **fields: Any) -> Message:
        """A message whose payload is `value` as JSON, with ``content_type`` set. Other fields by their names.

        Raises TypeError or ValueError for what JSON cannot hold.
        """
        payload = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        fields.setdefault("content_type", "application/json")
        return cls(payload, **fields)

    def encode(self) -> bytes:
        """The message as it goes over the wire. Raises ValueError or TypeError for a field of another type or size."""
        payload = self.payload
        if type(payload) is bytes and not (
            self.attributes
            or self.routing_key
            or self.content_type
            or self.ordering_key
            or self.message_id
            or self.correlation_id
            or self.reply_to
            or self.priority
            or self.ttl_ms
            or self.delay_ms is not None
            or self.deliver_at_ms is not None
        ):
            # Nothing but a payload: put together by hand, as this is done for each of very many.
            return payload_prefix(len(payload)) + payload if payload else b""
        wire = message_pb2.Message(
            payload=bytes(self.payload),
            attributes=self.attributes,
            routing_key=self.routing_key,
            ordering_key=self.ordering_key,
            message_id=self.message_id,
            content_type=self.content_type,
            priority=self.priority,
            ttl_ms=self.ttl_ms,
            delay_ms=self.delay_ms,
            deliver_at_ms=self.deliver_at_ms,
            reply_to=self.reply_to,
            correlation_id=self.correlation_id,
        )
        return wire.SerializeToString()


def decoded(wire: message_pb2.Message) -> Message:
    """A message that has come."""
    due = wire.WhichOneof("due")
    return Message(
        wire.payload,
        dict(wire.attributes),
        wire.routing_key,
        wire.ordering_key,
        wire.message_id,
        wire.content_type,
        wire.priority,
        wire.ttl_ms,
        wire.delay_ms if due == "delay_ms" else None,
        wire.deliver_at_ms if due == "deliver_at_ms" else None,
        wire.reply_to,
        wire.correlation_id,
    )


class Position(NamedTuple):
    """The place of a message: its identity, the same in every queue. Within one `log` a higher `offset` is later."""

    log: int
    """One of the broker's logs. Never used again."""
    offset: int
    """From 0, without gaps."""


class PublishResult(NamedTuple):
    """What became of a message: it is on disk."""

    position: Position | None
    """Where it stands. None while it is only scheduled."""
    duplicate: bool
    """It had been published before and was not stored again."""
    queues_matched: int
    """How many queues it goes to."""
    schedule_id: str
    """Set if it is due later."""


def result_of(wire: messaging_service_pb2.PublishResult) -> PublishResult:
    """A result that has come."""
    position = Position(wire.position.log, wire.position.offset) if wire.HasField("position") else None
    return PublishResult(position, wire.duplicate, wire.queues_matched, wire.schedule_id)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Why a message is in a dead-letter queue."""

    queue: str
    """The queue that gave it up."""
    reason: str
    """``REJECTED``, ``MAX_ATTEMPTS``, ``EXPIRED`` or ``OVERFLOW``."""
    attempts: int
    """How often that queue had delivered it."""
    description: str
    """What the last retry or reject gave as its reason."""
    time: datetime
    """When it was given up, by the broker's clock."""
    topic: str
    """The topic it was first published to. Empty: straight to the queue."""
    position: Position
    """Its place in the log that it left."""
