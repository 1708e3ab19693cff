"""One scenario's broker, and what its steps keep."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable
from typing import Any, TypeVar

import ferrymq
from ferrymq import Client, Delivery, Publisher, Queue, Subscriber

PATIENCE = 20.0
T = TypeVar("T")


async def within(what: str, awaitable: Awaitable[T]) -> T:
    """Waits, but not for ever."""

    async def wait() -> T:
        return await awaitable

    try:
        return await asyncio.wait_for(wait(), PATIENCE)
    except asyncio.TimeoutError:
        raise AssertionError(f"not within {PATIENCE:g} s: {what}") from None


def destination(given: dict[str, Any]) -> str | Queue:
    return Queue(given["queue"]) if "queue" in given else str(given["topic"])


class Scene:
    """Ends with all that was left open."""

    client: Client

    def __init__(self, *, durable: bool) -> None:
        self._kind = "durable" if durable else "ephemeral"
        self._stage: Process | None = None
        self.publishers: dict[str | Queue, Publisher] = {}
        self.subscribers: dict[str, Subscriber] = {}
        self.held: dict[str, list[Delivery]] = {}
        self.handled: set[str] = set()
        self.acking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Scene:
        self._stage = await asyncio.create_subprocess_exec(os.environ["TEST_STAGE"], stdin=PIPE, stdout=PIPE)
        self.client = ferrymq.connect(await self.tell(self._kind))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._stage is not None
        assert self._stage.stdin is not None
        try:
            await within("everything closes", self.client.close())
        finally:
            self._stage.stdin.close()
            await within("the stage ends", self._stage.wait())

    async def tell(self, word: str) -> str:
        """Tells the stage; what it answers behind ``ok``."""
        assert self._stage is not None
        assert self._stage.stdin is not None
        assert self._stage.stdout is not None
        self._stage.stdin.write(f"{word}\n".encode())
        answer = (await within("the stage answers", self._stage.stdout.readline())).decode().split()
        if answer[:1] != ["ok"]:
            raise AssertionError(f"the stage: {answer}")
        return answer[1] if len(answer) > 1 else ""

    def publisher(self, given: dict[str, Any]) -> Publisher:
        to = destination(given)
        if to not in self.publishers:
            self.publishers[to] = self.client.publisher(to)
        return self.publishers[to]
