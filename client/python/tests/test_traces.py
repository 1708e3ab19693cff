"""Trace context in the attributes of messages. Skipped without OpenTelemetry."""

from __future__ import annotations

import asyncio

import pytest

import ferrymq
from ferrymq import Message, Queue, Received

trace = pytest.importorskip("opentelemetry.trace")
sdk = pytest.importorskip("opentelemetry.sdk.trace")


def test_a_handler_runs_in_the_context_of_who_published(url: str, queue: str) -> None:
    asyncio.run(played(url, queue))


async def played(url: str, queue: str) -> None:
    came: dict[bytes, str] = {}

    async def handle(delivery: Received) -> None:
        span = trace.get_current_span().get_span_context()
        came[delivery.payload] = f"{span.trace_id:032x}"
        if len(came) == 3:
            worker.stop()

    async with ferrymq.connect(url) as client:
        async with client.publisher(Queue(queue)) as publisher:
            await publisher.publish(Message(b"without"))
            with sdk.TracerProvider().get_tracer("test").start_as_current_span("publish") as span:
                await publisher.publish(Message(b"with", {"other": "stays"}))
                own = f"00-{'1' * 32}-{'2' * 16}-01"
                await publisher.publish(Message(b"own", {"traceparent": own}))
                expected = f"{span.get_span_context().trace_id:032x}"
        worker = client.worker(Queue(queue), handle, concurrency=1)
        await worker.run()
    assert came == {b"without": "0" * 32, b"with": expected, b"own": "1" * 32}
