from ferrymq.v1 import message_pb2 as _message_pb2
from ferrymq.v1 import stats_pb2 as _stats_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
ORDERING_KEY: Ordering
ORDERING_NONE: Ordering
ORDERING_STRICT: Ordering
ORDERING_UNSPECIFIED: Ordering
OVERFLOW_DROP_OLDEST: Overflow
OVERFLOW_REJECT: Overflow
OVERFLOW_UNSPECIFIED: Overflow
RESOURCE_VIEW_BASIC: ResourceView
RESOURCE_VIEW_FULL: ResourceView
RESOURCE_VIEW_UNSPECIFIED: ResourceView

class Binding(_message.Message):
    __slots__ = ["create_time", "filter", "name", "pattern", "queue", "start", "to_topic", "topic"]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    TO_TOPIC_FIELD_NUMBER: _ClassVar[int]
    create_time: _timestamp_pb2.Timestamp
    filter: str
    name: str
    pattern: str
    queue: str
    start: _message_pb2.LogPoint
    to_topic: str
    topic: str
    def __init__(self, name: _Optional[str] = ..., topic: _Optional[str] = ..., queue: _Optional[str] = ..., to_topic: _Optional[str] = ..., pattern: _Optional[str] = ..., filter: _Optional[str] = ..., start: _Optional[_Union[_message_pb2.LogPoint, _Mapping]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeadLetterPolicy(_message.Message):
    __slots__ = ["discard", "expired", "queue", "topic"]
    DISCARD_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    discard: bool
    expired: bool
    queue: str
    topic: str
    def __init__(self, queue: _Optional[str] = ..., topic: _Optional[str] = ..., discard: bool = ..., expired: bool = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ["max_bytes", "max_messages", "overflow"]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    OVERFLOW_FIELD_NUMBER: _ClassVar[int]
    max_bytes: int
    max_messages: int
    overflow: Overflow
    def __init__(self, max_messages: _Optional[int] = ..., max_bytes: _Optional[int] = ..., overflow: _Optional[_Union[Overflow, str]] = ...) -> None: ...

class Queue(_message.Message):
    __slots__ = ["bindings", "create_time", "dead_letter", "dedup_window", "etag", "exactly_once", "fairness_attribute", "idle_expiry", "labels", "lease", "limits", "max_lease", "message_ttl", "name", "ordering", "paused", "priority_levels", "rate_limit", "retry", "stats", "uid", "update_time"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_FIELD_NUMBER: _ClassVar[int]
    DEDUP_WINDOW_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    EXACTLY_ONCE_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    IDLE_EXPIRY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    MAX_LEASE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_TTL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORDERING_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_LEVELS_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.RepeatedCompositeFieldContainer[Binding]
    create_time: _timestamp_pb2.Timestamp
    dead_letter: DeadLetterPolicy
    dedup_window: _duration_pb2.Duration
    etag: str
    exactly_once: bool
    fairness_attribute: str
    idle_expiry: _duration_pb2.Duration
    labels: _containers.ScalarMap[str, str]
    lease: _duration_pb2.Duration
    limits: Limits
    max_lease: _duration_pb2.Duration
    message_ttl: _duration_pb2.Duration
    name: str
    ordering: Ordering
    paused: bool
    priority_levels: int
    rate_limit: RateLimit
    retry: RetryPolicy
    stats: _stats_pb2.QueueStats
    uid: str
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., ordering: _Optional[_Union[Ordering, str]] = ..., lease: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., max_lease: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., dead_letter: _Optional[_Union[DeadLetterPolicy, _Mapping]] = ..., message_ttl: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., priority_levels: _Optional[int] = ..., dedup_window: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., exactly_once: bool = ..., fairness_attribute: _Optional[str] = ..., rate_limit: _Optional[_Union[RateLimit, _Mapping]] = ..., idle_expiry: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., paused: bool = ..., bindings: _Optional[_Iterable[_Union[Binding, _Mapping]]] = ..., uid: _Optional[str] = ..., etag: _Optional[str] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., stats: _Optional[_Union[_stats_pb2.QueueStats, _Mapping]] = ...) -> None: ...

class RateLimit(_message.Message):
    __slots__ = ["burst", "messages_per_second"]
    BURST_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    burst: int
    messages_per_second: float
    def __init__(self, messages_per_second: _Optional[float] = ..., burst: _Optional[int] = ...) -> None: ...

class Retention(_message.Message):
    __slots__ = ["compact", "forever", "max_age", "max_bytes", "max_messages"]
    COMPACT_FIELD_NUMBER: _ClassVar[int]
    FOREVER_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    compact: bool
    forever: bool
    max_age: _duration_pb2.Duration
    max_bytes: int
    max_messages: int
    def __init__(self, forever: bool = ..., max_age: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., max_bytes: _Optional[int] = ..., max_messages: _Optional[int] = ..., compact: bool = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ["max_attempts", "max_backoff", "min_backoff", "multiplier"]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    MAX_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MIN_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    max_attempts: int
    max_backoff: _duration_pb2.Duration
    min_backoff: _duration_pb2.Duration
    multiplier: float
    def __init__(self, max_attempts: _Optional[int] = ..., min_backoff: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., max_backoff: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., multiplier: _Optional[float] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ["create_time", "expire_time", "name", "queue"]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    create_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    name: str
    queue: str
    def __init__(self, name: _Optional[str] = ..., queue: _Optional[str] = ..., expire_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Topic(_message.Message):
    __slots__ = ["alternate_topic", "create_time", "dedup_window", "etag", "labels", "limits", "name", "priority_levels", "retention", "stats", "uid", "update_time"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ALTERNATE_TOPIC_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DEDUP_WINDOW_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_LEVELS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    alternate_topic: str
    create_time: _timestamp_pb2.Timestamp
    dedup_window: _duration_pb2.Duration
    etag: str
    labels: _containers.ScalarMap[str, str]
    limits: Limits
    name: str
    priority_levels: int
    retention: Retention
    stats: _stats_pb2.TopicStats
    uid: str
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., retention: _Optional[_Union[Retention, _Mapping]] = ..., dedup_window: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., priority_levels: _Optional[int] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., alternate_topic: _Optional[str] = ..., uid: _Optional[str] = ..., etag: _Optional[str] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., stats: _Optional[_Union[_stats_pb2.TopicStats, _Mapping]] = ...) -> None: ...

class Overflow(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Ordering(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ResourceView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
