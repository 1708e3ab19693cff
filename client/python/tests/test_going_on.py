"""How a subscriber goes on after its connection has broken, and how pulled deliveries are held. Without a broker."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from ferrymq import ClientOptions, Error, Group, Position, Queue, SettleStatus, Source, SubscriberOptions, Topic
from ferrymq._inbox import Inbox
from ferrymq._puller import Puller
from ferrymq._settle import ACK
from ferrymq.errors import unavailable
from ferrymq.v1 import message_pb2
from ferrymq.v1 import messaging_service_pb2 as pb

LEASE_MS = 20


class FakeSession:
    """Answers each call at once, and counts them."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.called = asyncio.Event()
        self.extended = SettleStatus.OK

    async def call(self, path: str, request: Any, response: Any, timeout: float) -> Any:
        name = path.rsplit("/", 1)[-1]
        self.calls.append(name)
        self.called.set()
        answer = response()
        if name == "GetServerInfo":
            answer.time.seconds = 1_000
        elif name == "Pull":
            answer.deliveries.extend([message_pb2.Delivery(ack_id=b"1"), message_pb2.Delivery(ack_id=b"2")])
            answer.lease.FromMilliseconds(LEASE_MS)
        else:
            status = self.extended if name == "ExtendLease" else SettleStatus.OK
            answer.statuses.extend([status.value] * len(request.ack_ids))
        return answer

    async def until(self, name: str, times: int) -> None:
        while self.calls.count(name) < times:
            self.called.clear()
            await asyncio.wait_for(self.called.wait(), 10)


def inbox_of(source: Source) -> Inbox:
    session: Any = FakeSession()
    return Inbox(session, ClientOptions(), source, SubscriberOptions())


def opened(token: bytes = b"") -> pb.ConsumeResponse:
    return pb.ConsumeResponse(opened=pb.Opened(resume_token=token))


def delivered(*offsets: int) -> pb.ConsumeResponse:
    return pb.ConsumeResponse(
        deliveries=[message_pb2.Delivery(ack_id=bytes([offset]), position=message_pb2.Position(log=7, offset=offset)) for offset in offsets]
    )


def test_a_queue_is_resumed_with_what_is_held_and_not_settled() -> None:
    async def run() -> None:
        inbox = inbox_of(Queue("q"))
        inbox.take(opened(b"token"))
        inbox.take(delivered(1, 2, 3))
        settled = inbox.waiting.popleft().ack()
        (group,) = inbox.settlements.take()
        request = await inbox.request()
        assert (request.resume_token, sorted(request.held_ack_ids)) == (b"token", [b"\1", b"\2", b"\3"])
        inbox.take(pb.ConsumeResponse(settled=[pb.SettlementResult(id=group.id, statuses=[pb.SETTLE_STATUS_OK])]))
        assert await settled is SettleStatus.OK
        assert sorted((await inbox.request()).held_ack_ids) == [b"\2", b"\3"]

    asyncio.run(run())


def test_what_a_replaced_consumer_held_comes_again_and_is_a_line_of_log(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        inbox = inbox_of(Group("t", "g"))
        inbox.take(opened(b"one"))
        inbox.take(delivered(1, 2))
        inbox.take(opened(b"two"))
        assert not inbox.waiting
        assert not (await inbox.request()).held_ack_ids

    with caplog.at_level(logging.WARNING, "ferrymq"):
        asyncio.run(run())
    assert [record.getMessage() for record in caplog.records] == ["subscriber of group g of topic t: the leases of 2 deliveries were lost"]


def test_a_broadcast_goes_on_behind_its_last_message_to_the_end_as_it_was() -> None:
    async def run() -> None:
        inbox = inbox_of(Topic("t", start="earliest", stop="latest"))
        first = await inbox.request()
        assert first.start.edge == message_pb2.LOG_EDGE_EARLIEST
        assert first.stop.edge == message_pb2.LOG_EDGE_LATEST
        inbox.take(opened())
        inbox.take(delivered(4, 5))
        again = await inbox.request()
        assert (again.start.position.log, again.start.position.offset) == (7, 6)
        assert again.stop.time.seconds == 1_000
        assert inbox.can_go_on(Error("OUT_OF_RANGE", "gone", reason="POSITION_TRIMMED"))
        assert (await inbox.request()).start.edge == message_pb2.LOG_EDGE_EARLIEST

    asyncio.run(run())


def test_a_broadcast_that_got_nothing_yet_goes_on_from_when_it_was_opened() -> None:
    async def run() -> None:
        inbox = inbox_of(Topic("t"))
        assert (await inbox.request()).start.edge == message_pb2.LOG_EDGE_LATEST
        inbox.take(opened())
        assert (await inbox.request()).start.time.seconds == 1_000

    asyncio.run(run())


def test_it_goes_on_only_where_trying_again_can_help() -> None:
    inbox = inbox_of(Topic("t", start=Position(7, 1)))
    assert inbox.can_go_on(unavailable("gone"))
    for code in ("NOT_FOUND", "ABORTED", "FAILED_PRECONDITION"):
        assert not inbox.can_go_on(Error(code, "no"))
    assert not inbox.can_go_on(Error("OUT_OF_RANGE", "asked for too early", reason="POSITION_TRIMMED"))


def test_pulled_leases_are_prolonged_until_all_are_settled() -> None:
    async def run() -> None:
        session: Any = FakeSession()
        puller = Puller(session, ClientOptions())
        first, second = await puller.pull(Queue("q"), pb.PullRequest(), 0.0, None)
        await session.until("ExtendLease", 3)
        assert await first.ack() is SettleStatus.OK
        assert await second.retry() is SettleStatus.OK
        await puller.close()
        assert session.calls[-2:] == ["Ack", "Nack"]

    asyncio.run(run())


def test_what_is_left_of_a_pull_goes_back_when_it_is_closed() -> None:
    async def run() -> None:
        session: Any = FakeSession()
        puller = Puller(session, ClientOptions())
        first, _ = await puller.pull(Queue("q"), pb.PullRequest(), 0.0, None)
        first.ack()
        await puller.close()
        assert [name for name in session.calls if name != "ExtendLease"] == ["Pull", "Ack", "Nack"]

    asyncio.run(run())


def test_a_pulled_lease_that_is_lost_is_a_line_of_log(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        session: Any = FakeSession()
        session.extended = SettleStatus.LEASE_LOST
        puller = Puller(session, ClientOptions())
        await puller.pull(Queue("q"), pb.PullRequest(), 0.0, None)
        await session.until("ExtendLease", 1)
        await puller.close()
        assert puller.settle(b"", ACK).result() is SettleStatus.OK

    with caplog.at_level(logging.WARNING, "ferrymq"):
        asyncio.run(run())
    assert [record.getMessage() for record in caplog.records] == ["pull: the leases of 2 deliveries were lost"]
