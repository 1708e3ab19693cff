"""The parts of requests that are put together by hand: what is published is encoded once, when it is published."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ferrymq._varint import varint
from ferrymq.message import Position
from ferrymq.settings import Destination, Group, Point, PublisherOptions, Queue, Source, SubscriberOptions, Topic
from ferrymq.v1 import message_pb2, messaging_service_pb2

# PublishStreamRequest.id and .batch: tags of the fields, by number and wire type.
_ID = b"\x08"
_BATCH = b"\x12"

_EDGES = {"earliest": message_pb2.LOG_EDGE_EARLIEST, "latest": message_pb2.LOG_EDGE_LATEST}


def stream_request(batch_id: int, header: bytes, messages: Iterable[bytes]) -> bytes:
    """A PublishStreamRequest of encoded messages, each behind its prefix."""
    body = b"".join((header, *messages))
    return b"".join((_ID, varint(batch_id), _BATCH, varint(len(body)), body))


def publish_request(destination: Destination, options: PublisherOptions) -> messaging_service_pb2.PublishRequest:
    """A batch without messages."""
    request = messaging_service_pb2.PublishRequest(require_route=options.require_route)
    if isinstance(destination, Queue):
        request.queue = destination.name
    else:
        request.topic = topic_name(destination)
    if options.wait_for_room is not None:
        request.wait_for_room.CopyFrom(duration(options.wait_for_room))
    return request


def topic_name(topic: str | Topic) -> str:
    """The name of a topic to publish to or to read."""
    return topic.name if isinstance(topic, Topic) else topic


def destination_name(destination: Destination) -> str:
    """For a line of log."""
    return f"queue {destination.name}" if isinstance(destination, Queue) else f"topic {topic_name(destination)}"


def source_name(source: Source) -> str:
    """For a line of log."""
    if isinstance(source, Group):
        return f"group {source.name} of topic {source.topic}"
    return f"queue {source.name}" if isinstance(source, Queue) else f"topic {source.name}"


def subscribe_request(source: Source, options: SubscriberOptions, max_response_bytes: int) -> messaging_service_pb2.SubscribeRequest:
    """What to deliver, and how much at once."""
    request = messaging_service_pb2.SubscribeRequest(
        prefetch=options.prefetch,
        prefetch_bytes=options.prefetch_bytes,
        at_most_once=options.at_most_once,
        consumer=options.consumer,
        max_response_bytes=max_response_bytes,
    )
    if options.lease is not None:
        request.lease.CopyFrom(duration(options.lease))
    if isinstance(source, Queue):
        request.queue = source.name
    else:
        _set_topic(request, source)
    if not isinstance(source, Topic):
        request.resume_within.CopyFrom(duration(options.resume_within))
    return request


def _set_topic(request: messaging_service_pb2.SubscribeRequest, source: Group | Topic) -> None:
    request.start.CopyFrom(log_point(source.start))
    request.pattern = source.pattern
    request.filter = source.filter
    if isinstance(source, Group):
        request.topic = source.topic
        request.group = source.name
        request.create_if_missing = source.create
        return
    request.topic = source.name
    if source.stop is not None:
        request.stop.CopyFrom(log_point(source.stop))


def log_point(point: Point) -> message_pb2.LogPoint:
    """A point as the API has it."""
    if isinstance(point, Position):
        return message_pb2.LogPoint(position=message_pb2.Position(log=point.log, offset=point.offset))
    if isinstance(point, str):
        return message_pb2.LogPoint(edge=_EDGES[point])
    time = Timestamp()
    time.FromDatetime(point)
    return message_pb2.LogPoint(time=time)


def duration(seconds: float) -> Duration:
    """Seconds as the API has them."""
    wire = Duration()
    wire.FromNanoseconds(round(seconds * 1e9))
    return wire
