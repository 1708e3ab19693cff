from ferrymq.v1 import errors_pb2 as _errors_pb2
from ferrymq.v1 import message_pb2 as _message_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

CANCEL_STATUS_CANCELLED: CancelStatus
CANCEL_STATUS_NOT_FOUND: CancelStatus
CANCEL_STATUS_UNSPECIFIED: CancelStatus
DESCRIPTOR: _descriptor.FileDescriptor
LEASE_RENEWAL_BY_BROKER: LeaseRenewal
LEASE_RENEWAL_BY_CONSUMER: LeaseRenewal
LEASE_RENEWAL_UNSPECIFIED: LeaseRenewal
NACK_MODE_REJECT: NackMode
NACK_MODE_RELEASE: NackMode
NACK_MODE_RETRY: NackMode
NACK_MODE_UNSPECIFIED: NackMode
SETTLE_STATUS_ALREADY_SETTLED: SettleStatus
SETTLE_STATUS_GONE: SettleStatus
SETTLE_STATUS_INVALID: SettleStatus
SETTLE_STATUS_LEASE_LOST: SettleStatus
SETTLE_STATUS_OK: SettleStatus
SETTLE_STATUS_UNSPECIFIED: SettleStatus

class AckRequest(_message.Message):
    __slots__ = ["ack_ids"]
    ACK_IDS_FIELD_NUMBER: _ClassVar[int]
    ack_ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, ack_ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class AckResponse(_message.Message):
    __slots__ = ["statuses"]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    statuses: _containers.RepeatedScalarFieldContainer[SettleStatus]
    def __init__(self, statuses: _Optional[_Iterable[_Union[SettleStatus, str]]] = ...) -> None: ...

class CallRequest(_message.Message):
    __slots__ = ["message", "queue", "topic", "wait_for_responder"]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_RESPONDER_FIELD_NUMBER: _ClassVar[int]
    message: _message_pb2.Message
    queue: str
    topic: str
    wait_for_responder: bool
    def __init__(self, topic: _Optional[str] = ..., queue: _Optional[str] = ..., message: _Optional[_Union[_message_pb2.Message, _Mapping]] = ..., wait_for_responder: bool = ...) -> None: ...

class CallResponse(_message.Message):
    __slots__ = ["reply"]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    reply: _message_pb2.Message
    def __init__(self, reply: _Optional[_Union[_message_pb2.Message, _Mapping]] = ...) -> None: ...

class CancelScheduledRequest(_message.Message):
    __slots__ = ["schedule_ids"]
    SCHEDULE_IDS_FIELD_NUMBER: _ClassVar[int]
    schedule_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, schedule_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class CancelScheduledResponse(_message.Message):
    __slots__ = ["statuses"]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    statuses: _containers.RepeatedScalarFieldContainer[CancelStatus]
    def __init__(self, statuses: _Optional[_Iterable[_Union[CancelStatus, str]]] = ...) -> None: ...

class ConsumeRequest(_message.Message):
    __slots__ = ["drain", "open", "prefetch", "settlements"]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    PREFETCH_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENTS_FIELD_NUMBER: _ClassVar[int]
    drain: bool
    open: SubscribeRequest
    prefetch: Prefetch
    settlements: _containers.RepeatedCompositeFieldContainer[Settlement]
    def __init__(self, open: _Optional[_Union[SubscribeRequest, _Mapping]] = ..., settlements: _Optional[_Iterable[_Union[Settlement, _Mapping]]] = ..., prefetch: _Optional[_Union[Prefetch, _Mapping]] = ..., drain: bool = ...) -> None: ...

class ConsumeResponse(_message.Message):
    __slots__ = ["caught_up", "deliveries", "opened", "settled"]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    caught_up: bool
    deliveries: _containers.RepeatedCompositeFieldContainer[_message_pb2.Delivery]
    opened: Opened
    settled: _containers.RepeatedCompositeFieldContainer[SettlementResult]
    def __init__(self, deliveries: _Optional[_Iterable[_Union[_message_pb2.Delivery, _Mapping]]] = ..., opened: _Optional[_Union[Opened, _Mapping]] = ..., caught_up: bool = ..., settled: _Optional[_Iterable[_Union[SettlementResult, _Mapping]]] = ...) -> None: ...

class ExtendLeaseRequest(_message.Message):
    __slots__ = ["ack_ids", "lease"]
    ACK_IDS_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    ack_ids: _containers.RepeatedScalarFieldContainer[bytes]
    lease: _duration_pb2.Duration
    def __init__(self, ack_ids: _Optional[_Iterable[bytes]] = ..., lease: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ExtendLeaseResponse(_message.Message):
    __slots__ = ["statuses"]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    statuses: _containers.RepeatedScalarFieldContainer[SettleStatus]
    def __init__(self, statuses: _Optional[_Iterable[_Union[SettleStatus, str]]] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ["broker_id", "features", "max_batch_items", "max_message_bytes", "max_request_bytes", "time", "version"]
    BROKER_ID_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    broker_id: str
    features: _containers.RepeatedScalarFieldContainer[str]
    max_batch_items: int
    max_message_bytes: int
    max_request_bytes: int
    time: _timestamp_pb2.Timestamp
    version: str
    def __init__(self, version: _Optional[str] = ..., broker_id: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ..., max_message_bytes: _Optional[int] = ..., max_request_bytes: _Optional[int] = ..., max_batch_items: _Optional[int] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class NackRequest(_message.Message):
    __slots__ = ["ack_ids", "delay", "mode", "reason"]
    ACK_IDS_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ack_ids: _containers.RepeatedScalarFieldContainer[bytes]
    delay: _duration_pb2.Duration
    mode: NackMode
    reason: str
    def __init__(self, ack_ids: _Optional[_Iterable[bytes]] = ..., mode: _Optional[_Union[NackMode, str]] = ..., delay: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class NackResponse(_message.Message):
    __slots__ = ["statuses"]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    statuses: _containers.RepeatedScalarFieldContainer[SettleStatus]
    def __init__(self, statuses: _Optional[_Iterable[_Union[SettleStatus, str]]] = ...) -> None: ...

class Opened(_message.Message):
    __slots__ = ["consumer_id", "created", "lease", "prefetch", "prefetch_bytes", "queue", "resume_token"]
    CONSUMER_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    PREFETCH_BYTES_FIELD_NUMBER: _ClassVar[int]
    PREFETCH_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    consumer_id: str
    created: bool
    lease: _duration_pb2.Duration
    prefetch: int
    prefetch_bytes: int
    queue: str
    resume_token: bytes
    def __init__(self, queue: _Optional[str] = ..., created: bool = ..., consumer_id: _Optional[str] = ..., lease: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., prefetch: _Optional[int] = ..., prefetch_bytes: _Optional[int] = ..., resume_token: _Optional[bytes] = ...) -> None: ...

class Prefetch(_message.Message):
    __slots__ = ["bytes", "messages"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    messages: int
    def __init__(self, messages: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class Producer(_message.Message):
    __slots__ = ["id", "sequence"]
    ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    sequence: int
    def __init__(self, id: _Optional[str] = ..., sequence: _Optional[int] = ...) -> None: ...

class PublishConfirm(_message.Message):
    __slots__ = ["confirmed", "failure", "id"]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    confirmed: PublishResponse
    failure: _errors_pb2.Failure
    id: int
    def __init__(self, id: _Optional[int] = ..., confirmed: _Optional[_Union[PublishResponse, _Mapping]] = ..., failure: _Optional[_Union[_errors_pb2.Failure, _Mapping]] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ["messages", "producer", "queue", "reply_to", "require_route", "topic", "wait_for_room"]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    REPLY_TO_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_ROUTE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_ROOM_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[_message_pb2.Message]
    producer: Producer
    queue: str
    reply_to: str
    require_route: bool
    topic: str
    wait_for_room: _duration_pb2.Duration
    def __init__(self, topic: _Optional[str] = ..., queue: _Optional[str] = ..., reply_to: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[_message_pb2.Message, _Mapping]]] = ..., producer: _Optional[_Union[Producer, _Mapping]] = ..., require_route: bool = ..., wait_for_room: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ["results"]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[PublishResult]
    def __init__(self, results: _Optional[_Iterable[_Union[PublishResult, _Mapping]]] = ...) -> None: ...

class PublishResult(_message.Message):
    __slots__ = ["duplicate", "position", "queues_matched", "schedule_id"]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    QUEUES_MATCHED_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_ID_FIELD_NUMBER: _ClassVar[int]
    duplicate: bool
    position: _message_pb2.Position
    queues_matched: int
    schedule_id: str
    def __init__(self, position: _Optional[_Union[_message_pb2.Position, _Mapping]] = ..., duplicate: bool = ..., queues_matched: _Optional[int] = ..., schedule_id: _Optional[str] = ...) -> None: ...

class PublishStreamRequest(_message.Message):
    __slots__ = ["batch", "id"]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    batch: PublishRequest
    id: int
    def __init__(self, id: _Optional[int] = ..., batch: _Optional[_Union[PublishRequest, _Mapping]] = ...) -> None: ...

class PublishStreamResponse(_message.Message):
    __slots__ = ["confirms"]
    CONFIRMS_FIELD_NUMBER: _ClassVar[int]
    confirms: _containers.RepeatedCompositeFieldContainer[PublishConfirm]
    def __init__(self, confirms: _Optional[_Iterable[_Union[PublishConfirm, _Mapping]]] = ...) -> None: ...

class PullRequest(_message.Message):
    __slots__ = ["at_most_once", "consumer", "create_if_missing", "group", "lease", "max_bytes", "max_messages", "queue", "topic", "wait"]
    AT_MOST_ONCE_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    CREATE_IF_MISSING_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    at_most_once: bool
    consumer: str
    create_if_missing: bool
    group: str
    lease: _duration_pb2.Duration
    max_bytes: int
    max_messages: int
    queue: str
    topic: str
    wait: _duration_pb2.Duration
    def __init__(self, queue: _Optional[str] = ..., topic: _Optional[str] = ..., group: _Optional[str] = ..., max_messages: _Optional[int] = ..., max_bytes: _Optional[int] = ..., wait: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., lease: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., at_most_once: bool = ..., consumer: _Optional[str] = ..., create_if_missing: bool = ...) -> None: ...

class PullResponse(_message.Message):
    __slots__ = ["deliveries", "lease", "queue"]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[_message_pb2.Delivery]
    lease: _duration_pb2.Duration
    queue: str
    def __init__(self, deliveries: _Optional[_Iterable[_Union[_message_pb2.Delivery, _Mapping]]] = ..., queue: _Optional[str] = ..., lease: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Settlement(_message.Message):
    __slots__ = ["ack", "extend", "id", "nack"]
    ACK_FIELD_NUMBER: _ClassVar[int]
    EXTEND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NACK_FIELD_NUMBER: _ClassVar[int]
    ack: AckRequest
    extend: ExtendLeaseRequest
    id: int
    nack: NackRequest
    def __init__(self, id: _Optional[int] = ..., ack: _Optional[_Union[AckRequest, _Mapping]] = ..., nack: _Optional[_Union[NackRequest, _Mapping]] = ..., extend: _Optional[_Union[ExtendLeaseRequest, _Mapping]] = ...) -> None: ...

class SettlementResult(_message.Message):
    __slots__ = ["id", "statuses"]
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    id: int
    statuses: _containers.RepeatedScalarFieldContainer[SettleStatus]
    def __init__(self, id: _Optional[int] = ..., statuses: _Optional[_Iterable[_Union[SettleStatus, str]]] = ...) -> None: ...

class SubscribeRequest(_message.Message):
    __slots__ = ["at_most_once", "consumer", "create_if_missing", "filter", "group", "heartbeat", "held_ack_ids", "lease", "lease_renewal", "max_response_bytes", "pattern", "prefetch", "prefetch_bytes", "queue", "resume_token", "resume_within", "start", "stop", "topic"]
    AT_MOST_ONCE_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    CREATE_IF_MISSING_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    HELD_ACK_IDS_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    LEASE_RENEWAL_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    PREFETCH_BYTES_FIELD_NUMBER: _ClassVar[int]
    PREFETCH_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUME_WITHIN_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    at_most_once: bool
    consumer: str
    create_if_missing: bool
    filter: str
    group: str
    heartbeat: _duration_pb2.Duration
    held_ack_ids: _containers.RepeatedScalarFieldContainer[bytes]
    lease: _duration_pb2.Duration
    lease_renewal: LeaseRenewal
    max_response_bytes: int
    pattern: str
    prefetch: int
    prefetch_bytes: int
    queue: str
    resume_token: bytes
    resume_within: _duration_pb2.Duration
    start: _message_pb2.LogPoint
    stop: _message_pb2.LogPoint
    topic: str
    def __init__(self, queue: _Optional[str] = ..., topic: _Optional[str] = ..., group: _Optional[str] = ..., start: _Optional[_Union[_message_pb2.LogPoint, _Mapping]] = ..., stop: _Optional[_Union[_message_pb2.LogPoint, _Mapping]] = ..., pattern: _Optional[str] = ..., filter: _Optional[str] = ..., prefetch: _Optional[int] = ..., prefetch_bytes: _Optional[int] = ..., lease: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., lease_renewal: _Optional[_Union[LeaseRenewal, str]] = ..., at_most_once: bool = ..., consumer: _Optional[str] = ..., heartbeat: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., max_response_bytes: _Optional[int] = ..., resume_within: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., resume_token: _Optional[bytes] = ..., held_ack_ids: _Optional[_Iterable[bytes]] = ..., create_if_missing: bool = ...) -> None: ...

class SubscribeResponse(_message.Message):
    __slots__ = ["caught_up", "deliveries", "opened"]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    caught_up: bool
    deliveries: _containers.RepeatedCompositeFieldContainer[_message_pb2.Delivery]
    opened: Opened
    def __init__(self, deliveries: _Optional[_Iterable[_Union[_message_pb2.Delivery, _Mapping]]] = ..., opened: _Optional[_Union[Opened, _Mapping]] = ..., caught_up: bool = ...) -> None: ...

class TransactRequest(_message.Message):
    __slots__ = ["ack_ids", "nacks", "publishes", "transaction_id"]
    ACK_IDS_FIELD_NUMBER: _ClassVar[int]
    NACKS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHES_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    ack_ids: _containers.RepeatedScalarFieldContainer[bytes]
    nacks: _containers.RepeatedCompositeFieldContainer[NackRequest]
    publishes: _containers.RepeatedCompositeFieldContainer[PublishRequest]
    transaction_id: str
    def __init__(self, transaction_id: _Optional[str] = ..., publishes: _Optional[_Iterable[_Union[PublishRequest, _Mapping]]] = ..., ack_ids: _Optional[_Iterable[bytes]] = ..., nacks: _Optional[_Iterable[_Union[NackRequest, _Mapping]]] = ...) -> None: ...

class TransactResponse(_message.Message):
    __slots__ = ["duplicate", "published"]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    duplicate: bool
    published: _containers.RepeatedCompositeFieldContainer[PublishResponse]
    def __init__(self, published: _Optional[_Iterable[_Union[PublishResponse, _Mapping]]] = ..., duplicate: bool = ...) -> None: ...

class LeaseRenewal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class SettleStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class NackMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class CancelStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
