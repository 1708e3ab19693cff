from ferrymq.v1 import errors_pb2 as _errors_pb2
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
JOB_KIND_COPY: JobKind
JOB_KIND_DELETE: JobKind
JOB_KIND_MOVE: JobKind
JOB_KIND_REDRIVE: JobKind
JOB_KIND_UNSPECIFIED: JobKind
JOB_STATE_CANCELLED: JobState
JOB_STATE_DONE: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_UNSPECIFIED: JobState
MESSAGE_STATE_BACKING_OFF: MessageState
MESSAGE_STATE_KEPT: MessageState
MESSAGE_STATE_READY: MessageState
MESSAGE_STATE_SCHEDULED: MessageState
MESSAGE_STATE_UNSETTLED: MessageState
MESSAGE_STATE_UNSPECIFIED: MessageState

class CancelJobRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ["job"]
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class CloseConnectionRequest(_message.Message):
    __slots__ = ["id", "reason"]
    ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    id: str
    reason: str
    def __init__(self, id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CloseConnectionResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Connection(_message.Message):
    __slots__ = ["id", "peer", "start_time", "streams", "user_agent"]
    ID_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    peer: str
    start_time: _timestamp_pb2.Timestamp
    streams: int
    user_agent: str
    def __init__(self, id: _Optional[str] = ..., peer: _Optional[str] = ..., user_agent: _Optional[str] = ..., streams: _Optional[int] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Consumer(_message.Message):
    __slots__ = ["connection_id", "id", "name", "oldest_lease", "prefetch", "queue", "start_time", "topic", "unsettled"]
    CONNECTION_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OLDEST_LEASE_FIELD_NUMBER: _ClassVar[int]
    PREFETCH_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    UNSETTLED_FIELD_NUMBER: _ClassVar[int]
    connection_id: str
    id: str
    name: str
    oldest_lease: _duration_pb2.Duration
    prefetch: int
    queue: str
    start_time: _timestamp_pb2.Timestamp
    topic: str
    unsettled: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., queue: _Optional[str] = ..., topic: _Optional[str] = ..., connection_id: _Optional[str] = ..., unsettled: _Optional[int] = ..., prefetch: _Optional[int] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., oldest_lease: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class DeleteMessagesRequest(_message.Message):
    __slots__ = ["queue", "select", "validate_only", "wait"]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    SELECT_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    queue: str
    select: MessageSelector
    validate_only: bool
    wait: _duration_pb2.Duration
    def __init__(self, queue: _Optional[str] = ..., select: _Optional[_Union[MessageSelector, _Mapping]] = ..., validate_only: bool = ..., wait: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class DeleteMessagesResponse(_message.Message):
    __slots__ = ["job"]
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ["job"]
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class GetStatsRequest(_message.Message):
    __slots__ = ["queues", "topics"]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedScalarFieldContainer[str]
    topics: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, topics: _Optional[_Iterable[str]] = ..., queues: _Optional[_Iterable[str]] = ...) -> None: ...

class GetStatsResponse(_message.Message):
    __slots__ = ["broker", "queues", "time", "topics"]
    class QueuesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _stats_pb2.QueueStats
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_stats_pb2.QueueStats, _Mapping]] = ...) -> None: ...
    class TopicsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _stats_pb2.TopicStats
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_stats_pb2.TopicStats, _Mapping]] = ...) -> None: ...
    BROKER_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    broker: _stats_pb2.BrokerStats
    queues: _containers.MessageMap[str, _stats_pb2.QueueStats]
    time: _timestamp_pb2.Timestamp
    topics: _containers.MessageMap[str, _stats_pb2.TopicStats]
    def __init__(self, time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., broker: _Optional[_Union[_stats_pb2.BrokerStats, _Mapping]] = ..., topics: _Optional[_Mapping[str, _stats_pb2.TopicStats]] = ..., queues: _Optional[_Mapping[str, _stats_pb2.QueueStats]] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ["create_time", "done", "end_time", "failed", "failure", "kind", "matched", "name", "queue", "state"]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    create_time: _timestamp_pb2.Timestamp
    done: int
    end_time: _timestamp_pb2.Timestamp
    failed: int
    failure: _errors_pb2.Failure
    kind: JobKind
    matched: int
    name: str
    queue: str
    state: JobState
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[JobKind, str]] = ..., state: _Optional[_Union[JobState, str]] = ..., queue: _Optional[str] = ..., matched: _Optional[int] = ..., done: _Optional[int] = ..., failed: _Optional[int] = ..., failure: _Optional[_Union[_errors_pb2.Failure, _Mapping]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListConnectionsRequest(_message.Message):
    __slots__ = ["page_size", "page_token"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListConnectionsResponse(_message.Message):
    __slots__ = ["connections", "next_page_token"]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    connections: _containers.RepeatedCompositeFieldContainer[Connection]
    next_page_token: str
    def __init__(self, connections: _Optional[_Iterable[_Union[Connection, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListConsumersRequest(_message.Message):
    __slots__ = ["page_size", "page_token", "queue"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    queue: str
    def __init__(self, queue: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListConsumersResponse(_message.Message):
    __slots__ = ["consumers", "next_page_token"]
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    consumers: _containers.RepeatedCompositeFieldContainer[Consumer]
    next_page_token: str
    def __init__(self, consumers: _Optional[_Iterable[_Union[Consumer, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ["page_size", "page_token"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ["jobs", "next_page_token"]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListScheduledRequest(_message.Message):
    __slots__ = ["destination", "page_size", "page_token"]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    destination: str
    page_size: int
    page_token: str
    def __init__(self, destination: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListScheduledResponse(_message.Message):
    __slots__ = ["messages", "next_page_token"]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[ScheduledMessage]
    next_page_token: str
    def __init__(self, messages: _Optional[_Iterable[_Union[ScheduledMessage, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class MessageSelector(_message.Message):
    __slots__ = ["all", "filter", "max_messages", "positions", "published_before"]
    ALL_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    all: bool
    filter: str
    max_messages: int
    positions: _containers.RepeatedCompositeFieldContainer[_message_pb2.Position]
    published_before: _timestamp_pb2.Timestamp
    def __init__(self, all: bool = ..., positions: _Optional[_Iterable[_Union[_message_pb2.Position, _Mapping]]] = ..., filter: _Optional[str] = ..., published_before: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., max_messages: _Optional[int] = ...) -> None: ...

class MoveMessagesRequest(_message.Message):
    __slots__ = ["copy", "messages_per_second", "queue", "select", "to_queue", "to_topic", "validate_only", "wait"]
    COPY_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    SELECT_FIELD_NUMBER: _ClassVar[int]
    TO_QUEUE_FIELD_NUMBER: _ClassVar[int]
    TO_TOPIC_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    copy: bool
    messages_per_second: float
    queue: str
    select: MessageSelector
    to_queue: str
    to_topic: str
    validate_only: bool
    wait: _duration_pb2.Duration
    def __init__(self, queue: _Optional[str] = ..., select: _Optional[_Union[MessageSelector, _Mapping]] = ..., to_queue: _Optional[str] = ..., to_topic: _Optional[str] = ..., copy: bool = ..., messages_per_second: _Optional[float] = ..., validate_only: bool = ..., wait: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class MoveMessagesResponse(_message.Message):
    __slots__ = ["job"]
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ["queue"]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    def __init__(self, queue: _Optional[str] = ...) -> None: ...

class PauseResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class PeekRequest(_message.Message):
    __slots__ = ["filter", "max_payload_bytes", "page_size", "page_token", "queue", "start", "states", "topic"]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MAX_PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    filter: str
    max_payload_bytes: int
    page_size: int
    page_token: str
    queue: str
    start: _message_pb2.LogPoint
    states: _containers.RepeatedScalarFieldContainer[MessageState]
    topic: str
    def __init__(self, queue: _Optional[str] = ..., topic: _Optional[str] = ..., start: _Optional[_Union[_message_pb2.LogPoint, _Mapping]] = ..., filter: _Optional[str] = ..., states: _Optional[_Iterable[_Union[MessageState, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., max_payload_bytes: _Optional[int] = ...) -> None: ...

class PeekResponse(_message.Message):
    __slots__ = ["messages", "next_page_token"]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[PeekedMessage]
    next_page_token: str
    def __init__(self, messages: _Optional[_Iterable[_Union[PeekedMessage, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PeekedMessage(_message.Message):
    __slots__ = ["consumer_id", "delivery", "due_time", "failures", "payload_bytes", "state"]
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    DUE_TIME_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    consumer_id: str
    delivery: _message_pb2.Delivery
    due_time: _timestamp_pb2.Timestamp
    failures: int
    payload_bytes: int
    state: MessageState
    def __init__(self, delivery: _Optional[_Union[_message_pb2.Delivery, _Mapping]] = ..., state: _Optional[_Union[MessageState, str]] = ..., due_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., payload_bytes: _Optional[int] = ..., consumer_id: _Optional[str] = ..., failures: _Optional[int] = ...) -> None: ...

class PurgeRequest(_message.Message):
    __slots__ = ["queue", "topic"]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    queue: str
    topic: str
    def __init__(self, queue: _Optional[str] = ..., topic: _Optional[str] = ...) -> None: ...

class PurgeResponse(_message.Message):
    __slots__ = ["messages"]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: int
    def __init__(self, messages: _Optional[int] = ...) -> None: ...

class RedriveRequest(_message.Message):
    __slots__ = ["messages_per_second", "queue", "select", "to_queue", "to_topic", "validate_only", "wait"]
    MESSAGES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    SELECT_FIELD_NUMBER: _ClassVar[int]
    TO_QUEUE_FIELD_NUMBER: _ClassVar[int]
    TO_TOPIC_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    messages_per_second: float
    queue: str
    select: MessageSelector
    to_queue: str
    to_topic: str
    validate_only: bool
    wait: _duration_pb2.Duration
    def __init__(self, queue: _Optional[str] = ..., select: _Optional[_Union[MessageSelector, _Mapping]] = ..., to_queue: _Optional[str] = ..., to_topic: _Optional[str] = ..., messages_per_second: _Optional[float] = ..., validate_only: bool = ..., wait: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RedriveResponse(_message.Message):
    __slots__ = ["job"]
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ["queue"]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    def __init__(self, queue: _Optional[str] = ...) -> None: ...

class ResumeResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ScheduledMessage(_message.Message):
    __slots__ = ["destination", "due_time", "message", "schedule_id"]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    DUE_TIME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_ID_FIELD_NUMBER: _ClassVar[int]
    destination: str
    due_time: _timestamp_pb2.Timestamp
    message: _message_pb2.Message
    schedule_id: str
    def __init__(self, schedule_id: _Optional[str] = ..., destination: _Optional[str] = ..., due_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., message: _Optional[_Union[_message_pb2.Message, _Mapping]] = ...) -> None: ...

class SeekRequest(_message.Message):
    __slots__ = ["queue", "to", "topic"]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    queue: str
    to: _message_pb2.LogPoint
    topic: str
    def __init__(self, queue: _Optional[str] = ..., to: _Optional[_Union[_message_pb2.LogPoint, _Mapping]] = ..., topic: _Optional[str] = ...) -> None: ...

class SeekResponse(_message.Message):
    __slots__ = ["ready", "trimmed"]
    READY_FIELD_NUMBER: _ClassVar[int]
    TRIMMED_FIELD_NUMBER: _ClassVar[int]
    ready: int
    trimmed: bool
    def __init__(self, ready: _Optional[int] = ..., trimmed: bool = ...) -> None: ...

class WatchStatsRequest(_message.Message):
    __slots__ = ["interval", "queues", "topics"]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    interval: _duration_pb2.Duration
    queues: _containers.RepeatedScalarFieldContainer[str]
    topics: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, topics: _Optional[_Iterable[str]] = ..., queues: _Optional[_Iterable[str]] = ..., interval: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchStatsResponse(_message.Message):
    __slots__ = ["broker", "queues", "time", "topics"]
    class QueuesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _stats_pb2.QueueStats
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_stats_pb2.QueueStats, _Mapping]] = ...) -> None: ...
    class TopicsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _stats_pb2.TopicStats
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_stats_pb2.TopicStats, _Mapping]] = ...) -> None: ...
    BROKER_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    broker: _stats_pb2.BrokerStats
    queues: _containers.MessageMap[str, _stats_pb2.QueueStats]
    time: _timestamp_pb2.Timestamp
    topics: _containers.MessageMap[str, _stats_pb2.TopicStats]
    def __init__(self, time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., broker: _Optional[_Union[_stats_pb2.BrokerStats, _Mapping]] = ..., topics: _Optional[_Mapping[str, _stats_pb2.TopicStats]] = ..., queues: _Optional[_Mapping[str, _stats_pb2.QueueStats]] = ...) -> None: ...

class MessageState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class JobKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
