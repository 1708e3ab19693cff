from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DEAD_LETTER_REASON_EXPIRED: DeadLetterReason
DEAD_LETTER_REASON_MAX_ATTEMPTS: DeadLetterReason
DEAD_LETTER_REASON_OVERFLOW: DeadLetterReason
DEAD_LETTER_REASON_REJECTED: DeadLetterReason
DEAD_LETTER_REASON_UNSPECIFIED: DeadLetterReason
DESCRIPTOR: _descriptor.FileDescriptor
LOG_EDGE_EARLIEST: LogEdge
LOG_EDGE_LATEST: LogEdge
LOG_EDGE_UNSPECIFIED: LogEdge

class DeadLetter(_message.Message):
    __slots__ = ["attempts", "description", "position", "queue", "reason", "time_ms", "topic"]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    attempts: int
    description: str
    position: Position
    queue: str
    reason: DeadLetterReason
    time_ms: int
    topic: str
    def __init__(self, queue: _Optional[str] = ..., reason: _Optional[_Union[DeadLetterReason, str]] = ..., attempts: _Optional[int] = ..., description: _Optional[str] = ..., time_ms: _Optional[int] = ..., topic: _Optional[str] = ..., position: _Optional[_Union[Position, _Mapping]] = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ["ack_id", "attempt", "dead_letter", "message", "position", "publish_time_ms", "topic"]
    ACK_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    ack_id: bytes
    attempt: int
    dead_letter: DeadLetter
    message: Message
    position: Position
    publish_time_ms: int
    topic: str
    def __init__(self, message: _Optional[_Union[Message, _Mapping]] = ..., ack_id: _Optional[bytes] = ..., topic: _Optional[str] = ..., position: _Optional[_Union[Position, _Mapping]] = ..., publish_time_ms: _Optional[int] = ..., attempt: _Optional[int] = ..., dead_letter: _Optional[_Union[DeadLetter, _Mapping]] = ...) -> None: ...

class LogPoint(_message.Message):
    __slots__ = ["edge", "position", "snapshot", "time"]
    EDGE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    edge: LogEdge
    position: Position
    snapshot: str
    time: _timestamp_pb2.Timestamp
    def __init__(self, edge: _Optional[_Union[LogEdge, str]] = ..., position: _Optional[_Union[Position, _Mapping]] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., snapshot: _Optional[str] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ["attributes", "content_type", "correlation_id", "delay_ms", "deliver_at_ms", "message_id", "ordering_key", "payload", "priority", "reply_to", "routing_key", "ttl_ms"]
    class AttributesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    DELIVER_AT_MS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    ORDERING_KEY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    ROUTING_KEY_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    attributes: _containers.ScalarMap[str, str]
    content_type: str
    correlation_id: str
    delay_ms: int
    deliver_at_ms: int
    message_id: str
    ordering_key: str
    payload: bytes
    priority: int
    reply_to: str
    routing_key: str
    ttl_ms: int
    def __init__(self, payload: _Optional[bytes] = ..., attributes: _Optional[_Mapping[str, str]] = ..., routing_key: _Optional[str] = ..., ordering_key: _Optional[str] = ..., message_id: _Optional[str] = ..., content_type: _Optional[str] = ..., priority: _Optional[int] = ..., ttl_ms: _Optional[int] = ..., delay_ms: _Optional[int] = ..., deliver_at_ms: _Optional[int] = ..., reply_to: _Optional[str] = ..., correlation_id: _Optional[str] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ["log", "offset"]
    LOG_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    log: int
    offset: int
    def __init__(self, log: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...

class LogEdge(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DeadLetterReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
