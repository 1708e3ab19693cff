"""How fast the client is, beside the bare stubs of its gRPC library against a server that answers at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import grpc.aio

import ferrymq
from ferrymq import Client, Message, Queue
from ferrymq.v1 import message_pb2
from ferrymq.v1 import messaging_service_pb2 as pb

PAYLOAD = b"x" * 1024
# What fits the client's default batch.
BATCH_MESSAGES = 250
UNCONFIRMED_BATCHES = 64
SERVICE = "/ferrymq.v1.MessagingService/"


async def run(url: str, noop_url: str, seconds: float) -> None:
    client = ferrymq.connect(url)
    for name in ("bench-publish", "bench-through"):
        await client.admin.create_queue(queue={"name": name})
    report("publish", await publish(client, seconds))
    report("through", await through(client, seconds))
    for name in ("bench-publish", "bench-through"):
        await client.admin.delete_queue(name=name, force=True)
    await client.close()
    async with grpc.aio.insecure_channel(urlsplit(noop_url).netloc) as channel:
        counted = Counted()
        await counted.during(seconds, bare_publish(channel, counted))
        report("noop publish", counted.count / seconds)
        published, consumed = Counted(), Counted()
        await asyncio.gather(
            published.during(seconds, bare_publish(channel, published)),
            consumed.during(seconds, bare_consume(channel, consumed)),
        )
        report("noop through", min(published.count, consumed.count) / seconds)


def report(name: str, rate: float) -> None:
    print(json.dumps({"name": name, "messages_per_second": round(rate)}), flush=True)


async def publish(client: Client, seconds: float) -> float:
    begin = monotonic()
    count = await publish_for(client, "bench-publish", seconds)
    return count / (monotonic() - begin)


async def publish_for(client: Client, queue: str, seconds: float) -> int:
    count = 0
    end = monotonic() + seconds
    async with client.publisher(Queue(queue)) as publisher:
        while monotonic() < end:
            for _ in range(50):
                await publisher.publish(Message(PAYLOAD))
            count += 50
    return count


async def through(client: Client, seconds: float) -> float:
    begin = monotonic()
    received = Counted()
    subscriber = client.subscribe(Queue("bench-through"), prefetch=10_000, prefetch_bytes=64 << 20)

    async def consume() -> None:
        async for delivery in subscriber:
            delivery.ack()
            received.count += 1

    consuming = asyncio.create_task(consume())
    published = await publish_for(client, "bench-through", seconds)
    while received.count < published:  # noqa: ASYNC110 - nothing else is done for each delivery.
        await asyncio.sleep(0.001)
    rate = received.count / (monotonic() - begin)
    # Ends what consumes, and waits until all is acked.
    await subscriber.close()
    await consuming
    return rate


class Counted:
    """Counts what is done within a time."""

    def __init__(self) -> None:
        self.count = 0

    async def during(self, seconds: float, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            task.result()
        task.cancel()


async def bare_publish(channel: Any, counted: Counted) -> None:
    stream = channel.stream_stream(
        f"{SERVICE}PublishStream",
        request_serializer=pb.PublishStreamRequest.SerializeToString,
        response_deserializer=pb.PublishStreamResponse.FromString,
    )()
    room = asyncio.Semaphore(UNCONFIRMED_BATCHES)

    async def send() -> None:
        batch_id = 0
        while True:
            await room.acquire()
            batch_id += 1
            messages = [message_pb2.Message(payload=PAYLOAD) for _ in range(BATCH_MESSAGES)]
            batch = pb.PublishRequest(queue="noop", messages=messages)
            await stream.write(pb.PublishStreamRequest(id=batch_id, batch=batch))

    sending = asyncio.create_task(send())
    try:
        async for response in stream:
            for confirm in response.confirms:
                counted.count += len(confirm.confirmed.results)
                room.release()
    finally:
        sending.cancel()


async def bare_consume(channel: Any, counted: Counted) -> None:
    subscribe: Callable[[Any], Any] = channel.unary_stream(
        f"{SERVICE}Subscribe",
        request_serializer=pb.SubscribeRequest.SerializeToString,
        response_deserializer=pb.SubscribeResponse.FromString,
    )
    ack = channel.unary_unary(
        f"{SERVICE}Ack", request_serializer=pb.AckRequest.SerializeToString, response_deserializer=pb.AckResponse.FromString
    )
    async for response in subscribe(pb.SubscribeRequest(queue=f"noop-{len(PAYLOAD)}")):
        ack_ids = [delivery.ack_id for delivery in response.deliveries]
        if ack_ids:
            counted.count += len((await ack(pb.AckRequest(ack_ids=ack_ids))).statuses)
