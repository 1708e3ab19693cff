"""Watching numbers, against a broker."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ferrymq
from ferrymq import InvalidArgument, Message, Queue, sync

OFTEN = {"nanos": 100_000_000}
PATIENCE = 20.0


def test_numbers_come_until_the_loop_is_left(url: str, queue: str) -> None:
    async def run() -> None:
        async with ferrymq.connect(url) as client:
            seen = []
            async for stats in client.admin.watch_stats(queues=[queue], interval=OFTEN):
                seen.append(stats.queues[queue].ready)
                if len(seen) == 1:
                    await client.publish(Queue(queue), Message(b"x"))
                elif seen[-1] == 1:
                    break
            assert seen[0] == 0

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_threads_watch_too(url: str, queue: str) -> None:
    with sync.connect(url) as client:
        watch = client.admin.watch_stats(queues=[queue], interval=OFTEN)
        assert next(watch).queues[queue].ready == 0
        client.publish(Queue(queue), Message(b"x"))
        assert any(stats.queues[queue].ready == 1 for stats in watch)


def test_what_is_wrong_is_raised_by_the_first_answer(url: str) -> None:
    with sync.connect(url) as client, pytest.raises(InvalidArgument):
        next(client.admin.watch_stats(interval={"nanos": 1}))


def test_who_watches_is_told_when_the_client_is_closed_and_may_be_cancelled(url: str) -> None:
    script = Path(__file__).with_name("watching.py")
    subprocess.run([sys.executable, script], check=True, env={**os.environ, "FERRYMQ_URL": url}, timeout=60)
