"""What each step does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from google.protobuf import json_format
from messages import compare, listed
from scene import Scene, destination, within

from ferrymq import (
    Confirm,
    Delivery,
    Error,
    Group,
    NotFound,
    Queue,
    Received,
    Reject,
    Settled,
    SettleStatus,
    Source,
    Subscriber,
    Topic,
    proto,
)

Given = dict[str, Any]


async def expect(awaitable: Awaitable[Any], error: Given | None) -> Any:
    """What it gives, or None if it failed as it has to."""
    try:
        came = await within("an answer", awaitable)
    except Error as why:
        if error is None:
            raise
        _check(why, error)
        return None
    if error is not None:
        raise AssertionError(f"no error {error}")
    return came


def _check(came: Error, error: Given) -> None:
    if came.code != error["code"] or came.reason != error.get("reason", came.reason):
        raise AssertionError(f"{came}, not {error}")
    fields = [violation.field for violation in came.violations]
    if "field" in error and error["field"] not in fields:
        raise AssertionError(f"{fields}, not {error}")


async def topic(scene: Scene, given: Given) -> None:
    made = json_format.ParseDict({**given.get("settings", {}), "name": given["name"]}, proto.Topic())
    await expect(scene.client.admin.create_topic(topic=made), given.get("error"))


async def queue(scene: Scene, given: Given) -> None:
    made = json_format.ParseDict({**given.get("settings", {}), "name": given["name"]}, proto.Queue())
    call = scene.client.admin.create_queue(queue=made, bindings=given.get("bindings"))
    await expect(call, given.get("error"))


async def publish(scene: Scene, given: Given) -> None:
    publisher = scene.publisher(given)
    confirms: list[Confirm] = [await publisher.publish(message) for message in listed(given)]
    for confirm in confirms:
        result = await expect(confirm, given.get("error"))
        wanted = given.get("queues_matched")
        if result is not None and wanted is not None and result.queues_matched != wanted:
            raise AssertionError(f"went to {result.queues_matched} queues")


async def publish_once(scene: Scene, given: Given) -> None:
    (message,) = listed(given)
    call = scene.client.publish(
        destination(given),
        message,
        wait_for_room=given.get("wait_for_room_ms", 0) / 1000,
        timeout=given.get("timeout_ms", 20_000) / 1000,
    )
    await expect(call, given.get("error"))


def source(given: Given) -> Source:
    if "queue" in given:
        return Queue(given["queue"])
    start = given.get("start", "latest")
    if "group" in given:
        return Group(given["topic"], given["group"], create=given.get("create", False), start=start)
    return Topic(given["topic"], start=start)


async def subscribe(scene: Scene, given: Given) -> None:
    async def opened() -> Subscriber:
        while True:
            subscriber = scene.client.subscribe(source(given), prefetch=given.get("prefetch", 256))
            try:
                await subscriber.open()
            except NotFound:
                if not given.get("wait_for_queue"):
                    raise
                await asyncio.sleep(0.01)
            else:
                return subscriber

    subscriber = await expect(opened(), given.get("error"))
    if subscriber is not None:
        scene.subscribers[given["as"]] = subscriber


async def take(subscriber: Subscriber) -> Delivery:
    delivery = await within("a delivery", subscriber.next())
    if delivery is None:
        raise AssertionError("the stream has ended")
    return delivery


async def receive(scene: Scene, given: Given) -> None:
    expected: list[Given] = given.get("messages") or [{"payload": payload} for payload in given.get("payloads", [])]
    wanted_all = expected or [{}] * given["count"]
    taken = []
    for wanted, attempt in zip(wanted_all, given.get("attempts") or [None] * len(wanted_all), strict=True):
        delivery = await take(scene.subscribers[given["from"]])
        compare(wanted, delivery)
        if attempt is not None and delivery.attempt != attempt:
            raise AssertionError(f"attempt {delivery.attempt} of {wanted}")
        taken.append(delivery)
    if given.get("settle") == "hold":
        scene.held.setdefault(given["from"], []).extend(taken)
    elif "settle" in given:
        await settle_all(taken, given["settle"], given.get("reason", ""))


async def settle_all(deliveries: Iterable[Delivery], action: str, reason: str = "") -> None:
    settled: list[Settled] = []
    for delivery in deliveries:
        match action:
            case "ack":
                settled.append(delivery.ack())
            case "retry":
                settled.append(delivery.retry(reason))
            case "reject":
                settled.append(delivery.reject(reason))
            case "release":
                settled.append(delivery.release())
    for one in settled:
        status = await within("a settlement", one)
        if status is not SettleStatus.OK:
            raise AssertionError(f"settled with {status}")


def text(delivery: Received) -> str:
    return delivery.payload.decode()


async def settle(scene: Scene, given: Given) -> None:
    held = scene.held[given["from"]]
    chosen = [delivery for delivery in held if text(delivery) in given["payloads"]]
    if len(chosen) != len(given["payloads"]):
        raise AssertionError(f"held are {held}")
    scene.held[given["from"]] = [delivery for delivery in held if delivery not in chosen]
    await settle_all(chosen, given["action"])


async def together(scene: Scene, given: Given) -> None:
    held = [delivery for name in given["from"] for delivery in scene.held.pop(name, [])]
    came = sorted(text(delivery) for delivery in held)
    if came != given["payloads"]:
        raise AssertionError(f"together they hold {came}")
    await settle_all(held, "ack")


async def stats(scene: Scene, given: Given) -> None:
    name = given["queue"]
    wanted = {field: given[field] for field in ("ready", "unsettled") if field in given}
    came: dict[str, int] = {}

    async def asking() -> None:
        while came != wanted or not wanted:
            try:
                answer = await scene.client.admin.get_stats(queues=[name])
            except NotFound:
                answer = proto.GetStatsResponse()
            if name in answer.queues:
                came.update({field: getattr(answer.queues[name], field) for field in wanted})
            await asyncio.sleep(0.01)

    try:
        await within("the numbers", asking())
    except AssertionError as why:
        raise AssertionError(f"{why}: {came}, not {given}") from None


async def pull(scene: Scene, given: Given) -> None:
    pulled = await within("a pull", scene.client.pull(Queue(given["queue"]), given["max"], given["wait_ms"] / 1000))
    payloads = [text(delivery) for delivery in pulled]
    if payloads != given["payloads"]:
        raise AssertionError(f"pulled {payloads}")
    if "settle" in given:
        await settle_all(pulled, given["settle"])


async def read(scene: Scene, given: Given) -> None:
    async with scene.client.read(given["topic"], given["start"], given["stop"]) as subscriber:
        for message in listed(given):
            delivery = await take(subscriber)
            if delivery.payload != message.payload:
                raise AssertionError(f"read {delivery}")
        more = await within("the end", subscriber.next())
        if more is not None:
            raise AssertionError(f"read on after the end: {more}")


async def worker(scene: Scene, given: Given) -> None:
    done: set[str] = set()
    rejected: set[str] = set()

    async def handle(delivery: Received) -> None:
        payload = text(delivery)
        if payload in given["reject"]:
            rejected.add(payload)
            stop_if_all()
            raise Reject("hopeless")
        if payload in given["fail_once"] and delivery.attempt == 1:
            raise ValueError("the first time")
        done.add(payload)
        stop_if_all()

    def stop_if_all() -> None:
        if done == set(given["done"]) and rejected == set(given["reject"]):
            running.stop()

    running = scene.client.worker(Queue(given["queue"]), handle, concurrency=given["concurrency"])
    await within("the worker", running.run())


async def worker_stop(scene: Scene, given: Given) -> None:
    async def handle(delivery: Received) -> None:
        scene.handled.add(text(delivery))
        if len(scene.handled) >= given["stop_after"]:
            running.stop()

    running = scene.client.worker(Queue(given["queue"]), handle, concurrency=given["concurrency"])
    await within("the worker stops", running.run())


async def drain(scene: Scene, given: Given) -> None:
    async with scene.client.subscribe(Queue(given["queue"])) as subscriber:
        while len(scene.handled) < given["total"]:
            delivery = await take(subscriber)
            if text(delivery) in scene.handled:
                raise AssertionError(f"{text(delivery)} came twice")
            scene.handled.add(text(delivery))
            await settle_all([delivery], "ack")


async def publish_over_restart(scene: Scene, given: Given) -> None:
    seen: set[str] = set()
    subscriber = scene.subscribers[given["as"]]

    async def receiving() -> None:
        while len(seen) < given["count"]:
            delivery = await subscriber.next()
            if delivery is None:
                raise AssertionError("the stream has ended")
            seen.add(text(delivery))
            delivery.ack()

    async def acking() -> None:
        while (delivery := await subscriber.next()) is not None:
            delivery.ack()

    task = asyncio.create_task(receiving())
    publisher = scene.publisher(given)
    confirms = [await publisher.publish(message) for message in listed(given)]
    for number, confirm in enumerate(confirms):
        if number == given["kill_after"]:
            await scene.tell("kill")
        await within("a confirm", confirm)
    await within("everything arrives", task)
    # What was published twice comes twice: it is acked for the steps that follow.
    scene.acking = asyncio.create_task(acking())


async def break_connections(scene: Scene, given: Given) -> None:
    await scene.tell("break")


async def close(scene: Scene, name: str) -> None:
    await within("a subscriber closes", scene.subscribers.pop(name).close())


STEPS: dict[str, Callable[[Scene, Any], Awaitable[None]]] = {
    step.__name__: step
    for step in (
        topic, queue, publish, publish_once, subscribe, receive, settle, together, stats, pull, read, worker, worker_stop, drain,
        publish_over_restart, break_connections, close,
    )
}  # fmt: skip
