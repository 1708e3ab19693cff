from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
ERROR_REASON_BATCH_TOO_LARGE: ErrorReason
ERROR_REASON_BINDING_LOOP: ErrorReason
ERROR_REASON_BINDING_NOT_FOUND: ErrorReason
ERROR_REASON_CONNECTION_NOT_FOUND: ErrorReason
ERROR_REASON_CONSUMER_REPLACED: ErrorReason
ERROR_REASON_CONSUMER_TOO_SLOW: ErrorReason
ERROR_REASON_CROSS_PARTITION: ErrorReason
ERROR_REASON_DATA_DAMAGED: ErrorReason
ERROR_REASON_DISK_FULL: ErrorReason
ERROR_REASON_DRAINING: ErrorReason
ERROR_REASON_ETAG_MISMATCH: ErrorReason
ERROR_REASON_FIELD_INVALID: ErrorReason
ERROR_REASON_FIELD_NOT_SUPPORTED: ErrorReason
ERROR_REASON_FILTER_INVALID: ErrorReason
ERROR_REASON_IN_USE: ErrorReason
ERROR_REASON_JOB_NOT_FOUND: ErrorReason
ERROR_REASON_LIMIT_REACHED: ErrorReason
ERROR_REASON_MESSAGE_TOO_LARGE: ErrorReason
ERROR_REASON_NAME_INVALID: ErrorReason
ERROR_REASON_NO_RESPONDER: ErrorReason
ERROR_REASON_NO_ROUTE: ErrorReason
ERROR_REASON_PAGE_TOKEN_INVALID: ErrorReason
ERROR_REASON_PATTERN_INVALID: ErrorReason
ERROR_REASON_POSITION_TRIMMED: ErrorReason
ERROR_REASON_POSITION_UNKNOWN: ErrorReason
ERROR_REASON_QUEUE_FULL: ErrorReason
ERROR_REASON_QUEUE_NOT_FOUND: ErrorReason
ERROR_REASON_RECOVERING: ErrorReason
ERROR_REASON_RESPONSE_TOO_SMALL: ErrorReason
ERROR_REASON_SEQUENCE_GAP: ErrorReason
ERROR_REASON_SETTINGS_DIFFER: ErrorReason
ERROR_REASON_SNAPSHOT_NOT_FOUND: ErrorReason
ERROR_REASON_TOPIC_FULL: ErrorReason
ERROR_REASON_TOPIC_NOT_FOUND: ErrorReason
ERROR_REASON_TRANSACTION_ABORTED: ErrorReason
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_WRITES_STOPPED: ErrorReason

class Failure(_message.Message):
    __slots__ = ["code", "field", "message", "reason", "retry_after"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    code: int
    field: str
    message: str
    reason: ErrorReason
    retry_after: _duration_pb2.Duration
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[_Union[ErrorReason, str]] = ..., message: _Optional[str] = ..., retry_after: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., field: _Optional[str] = ...) -> None: ...

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
