"""Trace context in the attributes of messages, where OpenTelemetry is in the program."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ferrymq.message import Message

try:
    from opentelemetry import context as _context
    from opentelemetry import trace as _trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    _propagator: TraceContextTextMapPropagator | None = TraceContextTextMapPropagator()
except ImportError:
    _propagator = None

IS_TRACED = _propagator is not None
"""False if there is no OpenTelemetry in the program."""
_PARENT = "traceparent"


def with_current(message: Message) -> Message:
    """The message with ``traceparent`` and ``tracestate`` of the current span; what the program set itself stays."""
    # Usually there is no context at all, which is quickly seen.
    if _propagator is None or not _context.get_current() or not _trace.get_current_span().get_span_context().is_valid:
        return message
    if _PARENT in message.attributes:
        return message
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return replace(message, attributes={**carrier, **message.attributes})


@contextlib.contextmanager
def restored(message: Message) -> Iterator[None]:
    """The message's context is the current one within."""
    if _propagator is None or _PARENT not in message.attributes:
        yield
        return
    token = _context.attach(_propagator.extract(message.attributes))
    try:
        yield
    finally:
        _context.detach(token)
