from ferrymq.v1 import resources_pb2 as _resources_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

CHANGE_KIND_CREATE: ChangeKind
CHANGE_KIND_DELETE: ChangeKind
CHANGE_KIND_UNSPECIFIED: ChangeKind
CHANGE_KIND_UPDATE: ChangeKind
DESCRIPTOR: _descriptor.FileDescriptor

class ApplyDefinitionsRequest(_message.Message):
    __slots__ = ["definitions", "force", "prune", "validate_only"]
    DEFINITIONS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    definitions: Definitions
    force: bool
    prune: bool
    validate_only: bool
    def __init__(self, definitions: _Optional[_Union[Definitions, _Mapping]] = ..., validate_only: bool = ..., prune: bool = ..., force: bool = ...) -> None: ...

class ApplyDefinitionsResponse(_message.Message):
    __slots__ = ["changes"]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ["fields", "kind", "resource"]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.RepeatedScalarFieldContainer[str]
    kind: ChangeKind
    resource: str
    def __init__(self, kind: _Optional[_Union[ChangeKind, str]] = ..., resource: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateBindingRequest(_message.Message):
    __slots__ = ["binding"]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    binding: _resources_pb2.Binding
    def __init__(self, binding: _Optional[_Union[_resources_pb2.Binding, _Mapping]] = ...) -> None: ...

class CreateBindingResponse(_message.Message):
    __slots__ = ["binding", "created"]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    binding: _resources_pb2.Binding
    created: bool
    def __init__(self, binding: _Optional[_Union[_resources_pb2.Binding, _Mapping]] = ..., created: bool = ...) -> None: ...

class CreateQueueRequest(_message.Message):
    __slots__ = ["bindings", "queue"]
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Binding]
    queue: _resources_pb2.Queue
    def __init__(self, queue: _Optional[_Union[_resources_pb2.Queue, _Mapping]] = ..., bindings: _Optional[_Iterable[_Union[_resources_pb2.Binding, _Mapping]]] = ...) -> None: ...

class CreateQueueResponse(_message.Message):
    __slots__ = ["created", "queue"]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    created: bool
    queue: _resources_pb2.Queue
    def __init__(self, queue: _Optional[_Union[_resources_pb2.Queue, _Mapping]] = ..., created: bool = ...) -> None: ...

class CreateSnapshotRequest(_message.Message):
    __slots__ = ["snapshot"]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    snapshot: _resources_pb2.Snapshot
    def __init__(self, snapshot: _Optional[_Union[_resources_pb2.Snapshot, _Mapping]] = ...) -> None: ...

class CreateSnapshotResponse(_message.Message):
    __slots__ = ["snapshot"]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    snapshot: _resources_pb2.Snapshot
    def __init__(self, snapshot: _Optional[_Union[_resources_pb2.Snapshot, _Mapping]] = ...) -> None: ...

class CreateTopicRequest(_message.Message):
    __slots__ = ["topic"]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    topic: _resources_pb2.Topic
    def __init__(self, topic: _Optional[_Union[_resources_pb2.Topic, _Mapping]] = ...) -> None: ...

class CreateTopicResponse(_message.Message):
    __slots__ = ["created", "topic"]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    created: bool
    topic: _resources_pb2.Topic
    def __init__(self, topic: _Optional[_Union[_resources_pb2.Topic, _Mapping]] = ..., created: bool = ...) -> None: ...

class Definitions(_message.Message):
    __slots__ = ["bindings", "format", "queues", "topics"]
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Binding]
    format: int
    queues: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Queue]
    topics: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Topic]
    def __init__(self, format: _Optional[int] = ..., topics: _Optional[_Iterable[_Union[_resources_pb2.Topic, _Mapping]]] = ..., queues: _Optional[_Iterable[_Union[_resources_pb2.Queue, _Mapping]]] = ..., bindings: _Optional[_Iterable[_Union[_resources_pb2.Binding, _Mapping]]] = ...) -> None: ...

class DeleteBindingRequest(_message.Message):
    __slots__ = ["allow_missing", "name"]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    allow_missing: bool
    name: str
    def __init__(self, name: _Optional[str] = ..., allow_missing: bool = ...) -> None: ...

class DeleteBindingResponse(_message.Message):
    __slots__ = ["deleted"]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool = ...) -> None: ...

class DeleteQueueRequest(_message.Message):
    __slots__ = ["allow_missing", "etag", "force", "name"]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    allow_missing: bool
    etag: str
    force: bool
    name: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., force: bool = ..., allow_missing: bool = ...) -> None: ...

class DeleteQueueResponse(_message.Message):
    __slots__ = ["deleted", "messages_dropped"]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_DROPPED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    messages_dropped: int
    def __init__(self, deleted: bool = ..., messages_dropped: _Optional[int] = ...) -> None: ...

class DeleteSnapshotRequest(_message.Message):
    __slots__ = ["allow_missing", "name"]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    allow_missing: bool
    name: str
    def __init__(self, name: _Optional[str] = ..., allow_missing: bool = ...) -> None: ...

class DeleteSnapshotResponse(_message.Message):
    __slots__ = ["deleted"]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool = ...) -> None: ...

class DeleteTopicRequest(_message.Message):
    __slots__ = ["allow_missing", "etag", "force", "name"]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    allow_missing: bool
    etag: str
    force: bool
    name: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ..., force: bool = ..., allow_missing: bool = ...) -> None: ...

class DeleteTopicResponse(_message.Message):
    __slots__ = ["deleted"]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool = ...) -> None: ...

class ExportDefinitionsRequest(_message.Message):
    __slots__ = ["prefix"]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    def __init__(self, prefix: _Optional[str] = ...) -> None: ...

class ExportDefinitionsResponse(_message.Message):
    __slots__ = ["definitions"]
    DEFINITIONS_FIELD_NUMBER: _ClassVar[int]
    definitions: Definitions
    def __init__(self, definitions: _Optional[_Union[Definitions, _Mapping]] = ...) -> None: ...

class GetBindingRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetBindingResponse(_message.Message):
    __slots__ = ["binding"]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    binding: _resources_pb2.Binding
    def __init__(self, binding: _Optional[_Union[_resources_pb2.Binding, _Mapping]] = ...) -> None: ...

class GetQueueRequest(_message.Message):
    __slots__ = ["name", "view"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    name: str
    view: _resources_pb2.ResourceView
    def __init__(self, name: _Optional[str] = ..., view: _Optional[_Union[_resources_pb2.ResourceView, str]] = ...) -> None: ...

class GetQueueResponse(_message.Message):
    __slots__ = ["queue"]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: _resources_pb2.Queue
    def __init__(self, queue: _Optional[_Union[_resources_pb2.Queue, _Mapping]] = ...) -> None: ...

class GetSnapshotRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetSnapshotResponse(_message.Message):
    __slots__ = ["snapshot"]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    snapshot: _resources_pb2.Snapshot
    def __init__(self, snapshot: _Optional[_Union[_resources_pb2.Snapshot, _Mapping]] = ...) -> None: ...

class GetTopicRequest(_message.Message):
    __slots__ = ["name", "view"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    name: str
    view: _resources_pb2.ResourceView
    def __init__(self, name: _Optional[str] = ..., view: _Optional[_Union[_resources_pb2.ResourceView, str]] = ...) -> None: ...

class GetTopicResponse(_message.Message):
    __slots__ = ["topic"]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    topic: _resources_pb2.Topic
    def __init__(self, topic: _Optional[_Union[_resources_pb2.Topic, _Mapping]] = ...) -> None: ...

class ListBindingsRequest(_message.Message):
    __slots__ = ["page_size", "page_token", "queue", "topic"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    queue: str
    topic: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., topic: _Optional[str] = ..., queue: _Optional[str] = ...) -> None: ...

class ListBindingsResponse(_message.Message):
    __slots__ = ["bindings", "next_page_token", "total_size"]
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Binding]
    next_page_token: str
    total_size: int
    def __init__(self, bindings: _Optional[_Iterable[_Union[_resources_pb2.Binding, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class ListQueuesRequest(_message.Message):
    __slots__ = ["page_size", "page_token", "prefix", "topic", "view"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    prefix: str
    topic: str
    view: _resources_pb2.ResourceView
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., prefix: _Optional[str] = ..., view: _Optional[_Union[_resources_pb2.ResourceView, str]] = ..., topic: _Optional[str] = ...) -> None: ...

class ListQueuesResponse(_message.Message):
    __slots__ = ["next_page_token", "queues", "total_size"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    queues: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Queue]
    total_size: int
    def __init__(self, queues: _Optional[_Iterable[_Union[_resources_pb2.Queue, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class ListSnapshotsRequest(_message.Message):
    __slots__ = ["page_size", "page_token", "queue"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    queue: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., queue: _Optional[str] = ...) -> None: ...

class ListSnapshotsResponse(_message.Message):
    __slots__ = ["next_page_token", "snapshots", "total_size"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    snapshots: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Snapshot]
    total_size: int
    def __init__(self, snapshots: _Optional[_Iterable[_Union[_resources_pb2.Snapshot, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class ListTopicsRequest(_message.Message):
    __slots__ = ["page_size", "page_token", "prefix", "view"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    prefix: str
    view: _resources_pb2.ResourceView
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., prefix: _Optional[str] = ..., view: _Optional[_Union[_resources_pb2.ResourceView, str]] = ...) -> None: ...

class ListTopicsResponse(_message.Message):
    __slots__ = ["next_page_token", "topics", "total_size"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    topics: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Topic]
    total_size: int
    def __init__(self, topics: _Optional[_Iterable[_Union[_resources_pb2.Topic, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class UpdateQueueRequest(_message.Message):
    __slots__ = ["allow_missing", "queue", "update_mask"]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    allow_missing: bool
    queue: _resources_pb2.Queue
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, queue: _Optional[_Union[_resources_pb2.Queue, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., allow_missing: bool = ...) -> None: ...

class UpdateQueueResponse(_message.Message):
    __slots__ = ["queue"]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: _resources_pb2.Queue
    def __init__(self, queue: _Optional[_Union[_resources_pb2.Queue, _Mapping]] = ...) -> None: ...

class UpdateTopicRequest(_message.Message):
    __slots__ = ["allow_missing", "topic", "update_mask"]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    allow_missing: bool
    topic: _resources_pb2.Topic
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, topic: _Optional[_Union[_resources_pb2.Topic, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., allow_missing: bool = ...) -> None: ...

class UpdateTopicResponse(_message.Message):
    __slots__ = ["topic"]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    topic: _resources_pb2.Topic
    def __init__(self, topic: _Optional[_Union[_resources_pb2.Topic, _Mapping]] = ...) -> None: ...

class ChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
