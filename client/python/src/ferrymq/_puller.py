"""Deliveries that are taken by calls: their leases are prolonged until they are settled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from itertools import repeat
from typing import Any

from ferrymq._backoff import Backoff
from ferrymq._session import Session
from ferrymq._settle import RELEASE, Action, Settled, SettleGroup, Settlements, SettleStatus
from ferrymq._signal import cancel
from ferrymq._wire import duration
from ferrymq.delivery import Delivery
from ferrymq.errors import Error, invalid, unavailable
from ferrymq.settings import ClientOptions, Group, Queue, Source
from ferrymq.v1 import messaging_service_pb2 as pb

log = logging.getLogger("ferrymq")
_SERVICE = "/ferrymq.v1.MessagingService/"
# Ids of one ExtendLease.
_EXTEND_MAX = 1_000


class Puller:
    """Takes deliveries, holds on to them and settles them."""

    def __init__(self, session: Session, options: ClientOptions) -> None:
        self._session = session
        self._options = options
        self._settlements = Settlements()
        self._held: set[bytes] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling: asyncio.Task[None] | None = None
        self._is_closing = False

    async def pull(self, source: Source, request: pb.PullRequest, wait: float, lease: float | None) -> list[Delivery]:
        """One pull."""
        if self._is_closing:
            raise unavailable("the client is closed")
        _set_source(request, source)
        request.wait.CopyFrom(duration(wait))
        if lease is not None:
            request.lease.CopyFrom(duration(lease))
        timeout = wait + self._options.call_timeout
        answer = await self._session.call(f"{_SERVICE}Pull", request, pb.PullResponse, timeout)
        ack_ids = [wire.ack_id for wire in answer.deliveries]
        held = set(filter(None, ack_ids))
        if held:
            self._held |= held
            self._keep(self._prolong(held, answer.lease.ToTimedelta().total_seconds()))
        return list(map(Delivery, answer.deliveries, ack_ids, repeat(self)))

    def settle(self, ack_id: bytes, action: Action) -> Settled:
        """Settles one of its deliveries. Called by `Delivery`."""
        if action.kind != "extend":
            self._held.discard(ack_id)
        if ack_id and self._settling is None and not self._is_closing:
            self._settling = asyncio.get_running_loop().create_task(self._settle_all())
        return self._settlements.settle(ack_id, action)

    async def close(self) -> None:
        """Gives back what is not settled, without a failure, and waits for the broker's answers."""
        for ack_id in list(self._held):
            self.settle(ack_id, RELEASE)
        self._is_closing = True
        self._settlements.changed.wake()
        await cancel(self._tasks)
        if self._settling is not None:
            await asyncio.wait([self._settling], timeout=self._options.call_timeout)
            await cancel([self._settling])
        self._settlements.end(unavailable("the client is closed"))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prolong(self, ack_ids: set[bytes], lease: float) -> None:
        """At half of the lease, until all of them are settled."""
        while held := list(ack_ids & self._held):
            await asyncio.sleep(lease / 2)
            for at in range(0, len(held), _EXTEND_MAX):
                await self._extend([ack_id for ack_id in held[at : at + _EXTEND_MAX] if ack_id in self._held], lease)

    async def _extend(self, ack_ids: list[bytes], lease: float) -> None:
        if not ack_ids:
            return
        request = pb.ExtendLeaseRequest(ack_ids=ack_ids, lease=duration(lease))
        try:
            answer = await self._session.call(f"{_SERVICE}ExtendLease", request, pb.ExtendLeaseResponse, lease / 2)
        except Error:
            return  # It is tried again before the lease has ended, or the lease is lost and settling says so.
        lost = [i for i, status in zip(ack_ids, answer.statuses, strict=False) if status != SettleStatus.OK.value]
        lost = [ack_id for ack_id in lost if ack_id in self._held]
        self._held.difference_update(lost)
        if lost:
            log.warning("pull: the leases of %d deliveries were lost", len(lost))

    async def _settle_all(self) -> None:
        backoff = Backoff(self._options.backoff_min, self._options.backoff_max)
        settlements = self._settlements
        while True:
            groups = settlements.take()
            if not groups:
                if self._is_closing:
                    return
                await settlements.changed.wait()
                continue
            try:
                for group in groups:
                    await self._settle_group(group)
                backoff.reset()
            except Error as error:
                settlements.send_again()
                pause = backoff.pause(error.retry_after)
                log.warning("settlements of a pull: %s; again in %.1f s", error, pause)
                await asyncio.sleep(pause)

    async def _settle_group(self, group: SettleGroup) -> None:
        request = group.request()
        name = type(request).__name__.removesuffix("Request")
        try:
            # The three answers are alike on the wire.
            answer = await self._session.call(f"{_SERVICE}{name}", request, pb.AckResponse, self._options.call_timeout)
        except Error as error:
            if error.is_transient:
                raise
            self._settlements.answered(group.id, error)
            return
        self._settlements.answered(group.id, list(answer.statuses))


def _set_source(request: pb.PullRequest, source: Source) -> None:
    if isinstance(source, Queue):
        request.queue = source.name
    elif isinstance(source, Group):
        request.topic, request.group, request.create_if_missing = source.topic, source.name, source.create
    else:
        raise invalid("source", "a queue or a group: a broadcast has nothing to pull")
