"""What can go wrong, as the broker says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from ferrymq.v1 import errors_pb2

_DETAILS_KEY = "grpc-status-details-bin"
# What grpc.aio says, as INTERNAL, of a write that the end of its connection overtook. No broker says it.
_BROKEN_WRITE = "Internal error from Core"
_REASON_PREFIX = "ERROR_REASON_"
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


@dataclass(frozen=True)
class Violation:
    """A field that is wrong, and the rule."""

    field: str
    """Its path in the request, e.g. ``messages[3].ttl_ms`` for a message of a batch."""
    description: str
    """The rule, in English. May change."""


class Error(Exception):
    """A call that failed. Kinds that programs tell apart are subclasses."""

    code: str
    """The canonical gRPC code, e.g. ``NOT_FOUND``."""
    reason: str
    """Why, for programs: a value of ``ErrorReason`` without its prefix, e.g. ``QUEUE_NOT_FOUND``. Empty: not given."""
    message: str
    """Why, for people: one sentence of English. May change."""
    metadata: Mapping[str, str]
    """What it is about, e.g. ``{"topic": "orders"}``."""
    violations: tuple[Violation, ...]
    """The fields that are wrong, of an `InvalidArgument`."""
    retry_after: float | None
    """Seconds after which trying again may help. None: the broker does not say."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: Iterable[Violation] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after = retry_after

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.code}{reason}: {self.message}"

    def copy(self) -> Error:
        """The same, to be raised once more."""
        return type(self)(
            self.code,
            self.message,
            reason=self.reason,
            metadata=self.metadata,
            violations=self.violations,
            retry_after=self.retry_after,
        )

    @property
    def is_transient(self) -> bool:
        """True if the same call may succeed later without anything else having changed: the code is UNAVAILABLE."""
        return self.code == "UNAVAILABLE"


class NotFound(Error):
    """NOT_FOUND: a topic, queue, binding or snapshot is not there."""


class AlreadyExists(Error):
    """ALREADY_EXISTS: it is there with other settings."""


class InvalidArgument(Error):
    """INVALID_ARGUMENT: `Error.violations` says which field, and the rule."""


class FailedPrecondition(Error):
    """FAILED_PRECONDITION: something is in the way, e.g. a queue that is in use."""


class Exhausted(Error):
    """RESOURCE_EXHAUSTED: a queue, a topic, the disk or a limit of the broker is full."""


class Unavailable(Error):
    """UNAVAILABLE: the broker cannot be reached, or is stopping. What was under way may or may not have happened."""


class Timeout(Error):
    """DEADLINE_EXCEEDED: it took longer than allowed. What was under way may or may not have happened."""


class Reject(Exception):
    """Raised by a worker's handler: the message will never work and goes to the dead letters, with this text as the reason."""


_KINDS: dict[str, type[Error]] = {
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "INVALID_ARGUMENT": InvalidArgument,
    "FAILED_PRECONDITION": FailedPrecondition,
    "RESOURCE_EXHAUSTED": Exhausted,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": Timeout,
}


def error_of(code: str, message: str, **facts: object) -> Error:
    """The error of its kind."""
    return _KINDS.get(code, Error)(code, message, **facts)  # type: ignore[arg-type]


def unavailable(message: str) -> Error:
    """An UNAVAILABLE of the client's own."""
    return Unavailable("UNAVAILABLE", message)


def invalid(field: str, rule: str) -> Error:
    """An INVALID_ARGUMENT of the client's own."""
    return InvalidArgument("INVALID_ARGUMENT", f"{field}: {rule}", violations=[Violation(field, rule)])


def from_rpc(error: grpc.RpcError) -> Error:
    """What a call of grpc.aio raised."""
    code = error.code().name
    details = error.details() or ""
    trailers: Any = error.trailing_metadata()
    for key, value in trailers or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            return _from_status(code, details, value)
    if details == _BROKEN_WRITE:
        return unavailable("the connection broke")
    return error_of(code, details)


def _from_status(code: str, message: str, encoded: bytes) -> Error:
    status = status_pb2.Status()
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    try:
        status.ParseFromString(encoded)
        for detail in status.details:
            # Each takes the detail that is its own.
            _ = detail.Unpack(info) or detail.Unpack(bad) or detail.Unpack(retry)
    except DecodeError:  # Somebody between sent something else.
        return error_of(code, message)
    delay = retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None
    violations = [Violation(wrong.field, wrong.description) for wrong in bad.field_violations]
    metadata = dict(info.metadata)
    return error_of(code, message, reason=info.reason, metadata=metadata, violations=violations, retry_after=delay)


def from_failure(failure: errors_pb2.Failure) -> Error:
    """What a confirm says of a batch that was not published."""
    code = _CODES.get(failure.code, "UNKNOWN")
    known = errors_pb2.ErrorReason.DESCRIPTOR.values_by_number.get(failure.reason)
    reason = known.name[len(_REASON_PREFIX) :] if known is not None and failure.reason else ""
    delay = failure.retry_after.ToTimedelta().total_seconds() if failure.HasField("retry_after") else None
    violations = [Violation(failure.field, failure.message)] if failure.field else []
    return error_of(code, failure.message, reason=reason, violations=violations, retry_after=delay)
