"""How fast the client is, beside the bare stubs of its gRPC library. What is measured, and how: tests/conformance/README.md, Speed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import grpc.aio

import ferrymq
from ferrymq import Client, Message, Publisher, Queue, Subscriber
from ferrymq.v1 import message_pb2
from ferrymq.v1 import messaging_service_pb2 as pb

PAYLOAD = b"x" * 1024
NOOP_QUEUE = f"noop-{len(PAYLOAD)}"
PREFETCH = 10_000
PREFETCH_BYTES = 64 << 20
# What fits the client's default batch.
BATCH_MESSAGES = 250
UNCONFIRMED_BATCHES = 64
# So many messages are published or acked between two looks at the clock.
UNTIL_CLOCK = 50
SERVICE = "/ferrymq.v1.MessagingService/"

Phase = Callable[[float], Awaitable[float]]
"""Runs for so many seconds; messages each second."""


async def run(url: str, noop_url: str, seconds: float) -> None:
    async with ferrymq.connect(url) as client:
        for queue in ("bench-publish", "bench-through"):
            await client.admin.create_queue(queue={"name": queue})
        await measure("broker publish", publishing(client, "bench-publish"), seconds)
        await measure("broker through", going_through(client), seconds)
        for queue in ("bench-publish", "bench-through"):
            await client.admin.delete_queue(name=queue, force=True)
    async with ferrymq.connect(noop_url) as client:
        await measure("client publish", publishing(client, NOOP_QUEUE), seconds)
        await measure("client consume", consuming(client), seconds)
    async with grpc.aio.insecure_channel(urlsplit(noop_url).netloc) as channel:
        await measure("stubs publish", bare_publishing(channel), seconds)
        await measure("stubs consume", bare_consuming(channel), seconds)


async def measure(name: str, begun: Any, seconds: float) -> None:
    """Runs it once so that it is warm, and once that counts."""
    async with begun as phase:
        await phase(seconds / 2)
        rate = await phase(seconds)
    print(json.dumps({"name": name, "messages_per_second": round(rate)}), flush=True)


@asynccontextmanager
async def publishing(client: Client, queue: str) -> AsyncIterator[Phase]:
    async with client.publisher(Queue(queue)) as publisher:

        async def phase(seconds: float) -> float:
            begin = monotonic()
            return await publish_for(publisher, seconds) / (monotonic() - begin)

        yield phase


async def publish_for(publisher: Publisher, seconds: float, sent: Callable[[int], None] = lambda count: None) -> int:
    """Publishes, says how many before the last can have been delivered, and waits until all is confirmed; how many."""
    end = monotonic() + seconds
    count = 0
    while monotonic() < end:
        for _ in range(UNTIL_CLOCK):
            confirm = await publisher.publish(Message(PAYLOAD))
        count += UNTIL_CLOCK
    sent(count)
    await confirm
    return count


def subscriber_of(client: Client, queue: str) -> Subscriber:
    return client.subscribe(Queue(queue), prefetch=PREFETCH, prefetch_bytes=PREFETCH_BYTES)


@asynccontextmanager
async def consuming(client: Client) -> AsyncIterator[Phase]:
    async with subscriber_of(client, NOOP_QUEUE) as subscriber:

        async def phase(seconds: float) -> float:
            begin = monotonic()
            count = 0
            async for delivery in subscriber:
                delivery.ack()
                count += 1
                if count % UNTIL_CLOCK == 0 and monotonic() - begin >= seconds:
                    break
            return count / (monotonic() - begin)

        yield phase


@asynccontextmanager
async def going_through(client: Client) -> AsyncIterator[Phase]:
    async with client.publisher(Queue("bench-through")) as publisher, subscriber_of(client, "bench-through") as subscriber:

        async def phase(seconds: float) -> float:
            begin = monotonic()
            total = asyncio.get_running_loop().create_future()
            published = asyncio.create_task(publish_for(publisher, seconds, total.set_result))
            count = 0
            async for delivery in subscriber:
                settled = delivery.ack()
                count += 1
                if total.done() and count == total.result():
                    break
            await settled
            await published
            return count / (monotonic() - begin)

        yield phase


@asynccontextmanager
async def bare_publishing(channel: Any) -> AsyncIterator[Phase]:
    stream = channel.stream_stream(
        f"{SERVICE}PublishStream",
        request_serializer=pb.PublishStreamRequest.SerializeToString,
        response_deserializer=pb.PublishStreamResponse.FromString,
    )()
    room = asyncio.Semaphore(UNCONFIRMED_BATCHES)
    taking = asyncio.create_task(take_confirms(stream, room))

    async def phase(seconds: float) -> float:
        begin = monotonic()
        count = 0
        while monotonic() - begin < seconds:
            await room.acquire()
            count += BATCH_MESSAGES
            messages = [message_pb2.Message(payload=PAYLOAD) for _ in range(BATCH_MESSAGES)]
            batch = pb.PublishRequest(queue=NOOP_QUEUE, messages=messages)
            await stream.write(pb.PublishStreamRequest(id=count, batch=batch))
        for _ in range(UNCONFIRMED_BATCHES):
            await room.acquire()
        rate = count / (monotonic() - begin)
        for _ in range(UNCONFIRMED_BATCHES):
            room.release()
        return rate

    yield phase
    taking.cancel()


async def take_confirms(stream: Any, room: asyncio.Semaphore) -> None:
    while True:
        for confirm in (await stream.read()).confirms:
            assert len(confirm.confirmed.results) == BATCH_MESSAGES
            room.release()


@asynccontextmanager
async def bare_consuming(channel: Any) -> AsyncIterator[Phase]:
    stream = channel.stream_stream(
        f"{SERVICE}Consume",
        request_serializer=pb.ConsumeRequest.SerializeToString,
        response_deserializer=pb.ConsumeResponse.FromString,
    )()
    await stream.write(pb.ConsumeRequest(open=pb.SubscribeRequest(queue=NOOP_QUEUE, prefetch=PREFETCH, prefetch_bytes=PREFETCH_BYTES)))
    last_id = 0

    async def phase(seconds: float) -> float:
        nonlocal last_id
        begin = monotonic()
        count = 0
        while monotonic() - begin < seconds:
            response = await stream.read()
            ack_ids = [delivery.ack_id for delivery in response.deliveries]
            if ack_ids:
                last_id += 1
                settlement = pb.Settlement(id=last_id, ack=pb.AckRequest(ack_ids=ack_ids))
                await stream.write(pb.ConsumeRequest(settlements=[settlement]))
                count += len(ack_ids)
        return count / (monotonic() - begin)

    yield phase
    stream.cancel()
