"""Watches that are not read to their end. Run by test_stats.py: with several event loops in a process old versions of gRPC lose answers."""

from __future__ import annotations

import asyncio

import pytest

import ferrymq
from ferrymq import Unavailable

PATIENCE = 20.0
SELDOM = {"seconds": 3_600}


async def closed() -> None:
    client = ferrymq.connect()
    watch = client.admin.watch_stats(interval=SELDOM)
    await anext(watch)
    following = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(Unavailable, match="closed"):
        await following


async def cancelled() -> None:
    async with ferrymq.connect() as client:
        watch = client.admin.watch_stats(interval=SELDOM)
        await anext(watch)
        following = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
        await client.admin.get_stats()


async def main() -> None:
    for test in (closed, cancelled):
        await asyncio.wait_for(test(), PATIENCE)


asyncio.run(main())
