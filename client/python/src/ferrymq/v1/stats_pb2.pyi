from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BrokerStats(_message.Message):
    __slots__ = ["acked", "commits", "connections", "consumers", "delivered", "disk_free_bytes", "disk_used_bytes", "memory_bytes", "published", "queues", "start_time", "sync_time", "topics"]
    ACKED_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    DISK_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    SYNC_TIME_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    acked: int
    commits: int
    connections: int
    consumers: int
    delivered: int
    disk_free_bytes: int
    disk_used_bytes: int
    memory_bytes: int
    published: int
    queues: int
    start_time: _timestamp_pb2.Timestamp
    sync_time: _duration_pb2.Duration
    topics: int
    def __init__(self, start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., connections: _Optional[int] = ..., consumers: _Optional[int] = ..., topics: _Optional[int] = ..., queues: _Optional[int] = ..., disk_used_bytes: _Optional[int] = ..., disk_free_bytes: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., published: _Optional[int] = ..., delivered: _Optional[int] = ..., acked: _Optional[int] = ..., commits: _Optional[int] = ..., sync_time: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class QueueStats(_message.Message):
    __slots__ = ["acked", "backing_off", "consumers", "delivered", "exhausted", "expired", "leases_lost", "nacked", "oldest_age", "overflowed", "ready", "ready_bytes", "received", "redelivered", "rejected", "scheduled", "unsettled"]
    ACKED_FIELD_NUMBER: _ClassVar[int]
    BACKING_OFF_FIELD_NUMBER: _ClassVar[int]
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    EXHAUSTED_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    LEASES_LOST_FIELD_NUMBER: _ClassVar[int]
    NACKED_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_FIELD_NUMBER: _ClassVar[int]
    OVERFLOWED_FIELD_NUMBER: _ClassVar[int]
    READY_BYTES_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    REDELIVERED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_FIELD_NUMBER: _ClassVar[int]
    UNSETTLED_FIELD_NUMBER: _ClassVar[int]
    acked: int
    backing_off: int
    consumers: int
    delivered: int
    exhausted: int
    expired: int
    leases_lost: int
    nacked: int
    oldest_age: _duration_pb2.Duration
    overflowed: int
    ready: int
    ready_bytes: int
    received: int
    redelivered: int
    rejected: int
    scheduled: int
    unsettled: int
    def __init__(self, ready: _Optional[int] = ..., ready_bytes: _Optional[int] = ..., unsettled: _Optional[int] = ..., backing_off: _Optional[int] = ..., scheduled: _Optional[int] = ..., consumers: _Optional[int] = ..., oldest_age: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., received: _Optional[int] = ..., delivered: _Optional[int] = ..., redelivered: _Optional[int] = ..., acked: _Optional[int] = ..., nacked: _Optional[int] = ..., leases_lost: _Optional[int] = ..., rejected: _Optional[int] = ..., exhausted: _Optional[int] = ..., expired: _Optional[int] = ..., overflowed: _Optional[int] = ...) -> None: ...

class TopicStats(_message.Message):
    __slots__ = ["bytes", "duplicates", "messages", "published", "queues", "scheduled", "unroutable"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_FIELD_NUMBER: _ClassVar[int]
    UNROUTABLE_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    duplicates: int
    messages: int
    published: int
    queues: int
    scheduled: int
    unroutable: int
    def __init__(self, messages: _Optional[int] = ..., bytes: _Optional[int] = ..., queues: _Optional[int] = ..., scheduled: _Optional[int] = ..., published: _Optional[int] = ..., duplicates: _Optional[int] = ..., unroutable: _Optional[int] = ...) -> None: ...
