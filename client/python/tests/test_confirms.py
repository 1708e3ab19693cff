"""What a failed confirm means, against servers of the publish stream that do as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

import ferrymq
from ferrymq import Error, InvalidArgument, Message, Unavailable
from ferrymq.v1 import errors_pb2
from ferrymq.v1 import messaging_service_pb2 as pb

PATIENCE = 20.0
Serve = Callable[[Any, Any], Awaitable[None]]


@asynccontextmanager
async def serving(publish_stream: Serve) -> AsyncIterator[str]:
    """A server of `PublishStream` alone."""
    handler = grpc.stream_stream_rpc_method_handler(
        publish_stream,
        request_deserializer=pb.PublishStreamRequest.FromString,
        response_serializer=pb.PublishStreamResponse.SerializeToString,
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("ferrymq.v1.MessagingService", {"PublishStream": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)


def played(test: Any) -> None:
    asyncio.run(asyncio.wait_for(test, PATIENCE))


async def ends_with_internal(requests: Any, context: Any) -> None:
    await context.read()
    await context.abort(grpc.StatusCode.INTERNAL, "a proxy is broken")


def test_what_was_sent_when_the_stream_ended_for_good_may_be_stored() -> None:
    async def run() -> None:
        async with serving(ends_with_internal) as url, ferrymq.connect(url) as client:
            publisher = client.publisher("orders")
            confirm = await publisher.publish(Message(b"sent"))
            with pytest.raises(Unavailable, match=r"not known whether it is stored: .* INTERNAL: a proxy is broken"):
                await confirm
            for again in (publisher.publish(Message(b"x")), publisher.flush(), publisher.close()):
                with pytest.raises(Error) as raised:
                    await again
                assert raised.value.code == "INTERNAL"

    played(run())


def test_what_was_not_sent_then_is_not_stored() -> None:
    async def run() -> None:
        async with serving(ends_with_internal) as url, ferrymq.connect(url) as client:
            publisher = client.publisher("orders", linger=60.0)
            lingers = await publisher.publish(Message(b"x"))
            publisher.outbox.end(Error("INTERNAL", "a proxy is broken"))
            with pytest.raises(Error) as raised:
                await lingers
            assert raised.value.code == "INTERNAL"
            with pytest.raises(Error):
                await publisher.close()

    played(run())


def test_what_the_broker_refuses_is_told_as_it_says_and_the_stream_goes_on() -> None:
    async def refuses(requests: Any, context: Any) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined,unused-ignore]
            failure = errors_pb2.Failure(code=3, reason=errors_pb2.ERROR_REASON_MESSAGE_TOO_LARGE, message="too large")
            await context.write(pb.PublishStreamResponse(confirms=[pb.PublishConfirm(id=request.id, failure=failure)]))

    async def run() -> None:
        async with serving(refuses) as url, ferrymq.connect(url) as client, client.publisher("orders") as publisher:
            for _ in range(2):
                with pytest.raises(InvalidArgument) as raised:
                    await (await publisher.publish(Message(b"x")))
                assert (raised.value.reason, raised.value.message) == ("MESSAGE_TOO_LARGE", "too large")

    played(run())
