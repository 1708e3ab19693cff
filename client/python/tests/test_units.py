"""What needs no broker: batches, errors, pauses, the wire."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from math import inf
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyProto
from google.rpc import error_details_pb2, status_pb2

from ferrymq import Confirm, Error, Exhausted, InvalidArgument, Message, NotFound, Position, PublisherOptions, Unavailable
from ferrymq._backoff import Backoff
from ferrymq._batch import Batch
from ferrymq._outbox import Outbox
from ferrymq._settle import ACK, RELEASE, Settlements
from ferrymq._signal import first_of
from ferrymq._wire import log_point, stream_request
from ferrymq.errors import from_failure, from_rpc, unavailable
from ferrymq.v1 import errors_pb2, message_pb2
from ferrymq.v1 import messaging_service_pb2 as pb


def looped(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        async def inner() -> None:
            await test()

        asyncio.run(inner())

    run.__name__ = test.__name__
    return run


def filled(sizes: list[int], **options: Any) -> Outbox:
    outbox = Outbox(PublisherOptions(**options), "topic t")
    for size in sizes:
        outbox.add(b"x" * size)
    return outbox


def take_all(outbox: Outbox) -> list[Batch]:
    """All that would be sent, each confirmed at once."""
    batches = []
    while isinstance(batch := outbox.next(inf), Batch):
        batches.append(batch)
        outbox.confirmed(batch.id, pb.PublishResponse())
    return batches


@looped
async def test_a_batch_ends_at_its_messages_and_at_its_bytes_and_a_large_message_goes_alone() -> None:
    outbox = filled([10, 10, 10, 10, 90, 500, 10], batch_messages=3, batch_bytes=100)
    assert [batch.bytes for batch in take_all(outbox)] == [30, 100, 500, 10]
    assert outbox.is_empty


@looped
async def test_a_small_batch_waits_while_two_are_on_their_way() -> None:
    outbox = filled([1], batch_messages=2)
    first = outbox.next(inf)
    outbox.add(b"2")
    assert isinstance(outbox.next(inf), Batch)
    outbox.add(b"3")
    assert outbox.next(inf) is None
    assert isinstance(first, Batch)
    outbox.confirmed(first.id, pb.PublishResponse())
    assert isinstance(outbox.next(inf), Batch)


@looped
async def test_a_batch_lingers_but_not_for_a_flush() -> None:
    outbox = filled([1], linger=5.0)
    now = asyncio.get_running_loop().time()
    due = outbox.next(now)
    assert isinstance(due, float)
    assert 4.0 < due - now <= 5.0
    flushing = asyncio.ensure_future(outbox.flush())
    await asyncio.sleep(0)
    batch = outbox.next(now)
    assert isinstance(batch, Batch)
    outbox.confirmed(batch.id, pb.PublishResponse())
    await flushing


@looped
async def test_what_was_sent_goes_first_and_in_order_over_a_new_connection() -> None:
    outbox = filled([1, 2, 3], batch_messages=1)
    assert [outbox.next(inf).bytes for _ in range(2)] == [1, 2]  # type: ignore[union-attr]
    outbox.send_again()
    assert [batch.bytes for batch in take_all(outbox)] == [1, 2, 3]


@looped
async def test_publishers_wait_for_room_in_order_and_one_message_always_passes() -> None:
    outbox = filled([], unconfirmed_bytes=1_000, batch_messages=1)
    assert outbox.has_room(5_000)
    outbox.add(b"x" * 5_000)
    order: list[int] = []

    async def publish(number: int) -> None:
        if not outbox.has_room(100):
            await outbox.room(100)
        outbox.add(b"x" * 100)
        order.append(number)

    waiting = [asyncio.ensure_future(publish(number)) for number in range(3)]
    await asyncio.sleep(0)
    assert order == []
    take_all(outbox)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2]


@looped
async def test_who_gives_up_waiting_for_room_lets_the_next_one_in() -> None:
    outbox = filled([2_000], unconfirmed_bytes=1_000, batch_messages=1)
    first, second = (asyncio.ensure_future(outbox.room(100)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    take_all(outbox)
    await asyncio.wait_for(second, 5)


@looped
async def test_what_is_tried_for_too_long_fails_as_unavailable_and_leaves_room() -> None:
    outbox = Outbox(PublisherOptions(publish_timeout=0.0), "topic t")
    confirm: Confirm = outbox.add(b"x")
    sent = outbox.next(inf)
    assert isinstance(sent, Batch)
    with pytest.raises(Unavailable, match="may or may not be stored"):
        await confirm
    assert outbox.is_empty
    outbox.confirmed(sent.id, pb.PublishResponse())


def test_a_refused_batch_is_a_line_of_log_if_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse() -> None:
        outbox = filled([1, 1])
        confirm = outbox.add(b"x")
        outbox.end(unavailable("gone"))
        for _ in range(2):
            with pytest.raises(Unavailable, match="gone"):
                await confirm

    with caplog.at_level(logging.WARNING, "ferrymq"):
        asyncio.run(refuse())
    assert [record.getMessage() for record in caplog.records] == ["publisher of topic t: 3 messages were not confirmed: UNAVAILABLE: gone"]


@looped
async def test_settlements_of_a_kind_go_together_and_again_until_they_are_answered() -> None:
    settlements = Settlements()
    settled = [settlements.settle(b"1", ACK), settlements.settle(b"2", ACK), settlements.settle(b"3", RELEASE)]
    assert [group.ack_ids for group in settlements.take()] == [[b"1", b"2"], [b"3"]]
    settlements.send_again()
    first, second = settlements.take()
    settlements.answered(first.id, [1, 3])
    settlements.answered(second.id, [2])
    assert [(await one).name for one in settled] == ["OK", "LEASE_LOST", "ALREADY_SETTLED"]
    assert settlements.is_empty
    settlements.end(None)
    with pytest.raises(Unavailable):
        await settlements.settle(b"4", ACK)


def test_pauses_double_to_their_limit_and_heed_the_broker() -> None:
    backoff = Backoff(0.1, 1.0, rand=lambda: 0.5)
    assert [round(backoff.pause(), 3) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    backoff.reset()
    assert backoff.pause(0.7) == 0.7
    assert 0.16 <= Backoff(0.2, 1.0).pause() <= 0.24


class Failed(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, trailers: list[tuple[str, bytes]], details: str = "it failed") -> None:
        self._code, self._trailers, self._details = code, trailers, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._trailers


def test_an_error_carries_what_the_broker_says() -> None:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1_500)
    status = status_pb2.Status()
    for detail in (
        error_details_pb2.ErrorInfo(reason="QUEUE_NOT_FOUND", domain="ferrymq", metadata={"queue": "q"}),
        error_details_pb2.BadRequest(field_violations=[{"field": "queue", "description": "must exist"}]),
        retry,
    ):
        packed = AnyProto()
        packed.Pack(detail)
        status.details.append(packed)
    trailers = [("other", b""), ("grpc-status-details-bin", status.SerializeToString())]
    error = from_rpc(Failed(grpc.StatusCode.NOT_FOUND, trailers))
    assert type(error) is NotFound
    assert (error.code, error.reason, error.message) == ("NOT_FOUND", "QUEUE_NOT_FOUND", "it failed")
    assert error.metadata == {"queue": "q"}
    assert [(wrong.field, wrong.description) for wrong in error.violations] == [("queue", "must exist")]
    assert error.retry_after == 1.5
    assert str(error.copy()) == "NOT_FOUND (QUEUE_NOT_FOUND): it failed"


def test_details_that_are_none_do_no_harm() -> None:
    error = from_rpc(Failed(grpc.StatusCode.DATA_LOSS, [("grpc-status-details-bin", b"\xff\xff\xff")]))
    assert type(error) is Error
    assert (error.code, error.reason) == ("DATA_LOSS", "")


def test_a_write_into_a_broken_connection_is_tried_again() -> None:
    broken = Failed(grpc.StatusCode.INTERNAL, [], "Internal error from Core")
    assert from_rpc(broken).is_transient
    assert not from_rpc(Failed(grpc.StatusCode.INTERNAL, [])).is_transient


def test_a_failure_of_a_batch_is_an_error_as_any_other() -> None:
    full = from_failure(errors_pb2.Failure(code=8, reason=errors_pb2.ERROR_REASON_QUEUE_FULL, message="full"))
    assert type(full) is Exhausted
    assert full.reason == "QUEUE_FULL"
    wrong = from_failure(errors_pb2.Failure(code=3, reason=999, message="negative", field="messages[3].ttl_ms"))  # type: ignore[arg-type]
    assert type(wrong) is InvalidArgument
    assert wrong.reason == ""
    assert wrong.violations[0].field == "messages[3].ttl_ms"


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_384, 250_000])
def test_what_is_put_together_by_hand_is_what_protobuf_reads(size: int) -> None:
    header = pb.PublishRequest(topic="t").SerializeToString()
    outbox = Outbox(PublisherOptions(), "topic t")
    messages = [Message(b"x" * size), Message(b"y", {"k": "v"}, delay_ms=0)]

    async def fill() -> Batch:
        for message in messages:
            outbox.add(message.encode())
        batch = outbox.next(inf)
        assert isinstance(batch, Batch)
        return batch

    parts = asyncio.run(fill()).parts
    request = pb.PublishStreamRequest.FromString(stream_request(300, header, parts))
    assert request.id == 300
    assert request.batch.topic == "t"
    plain, full = request.batch.messages
    assert plain == message_pb2.Message(payload=b"x" * size)
    assert full == message_pb2.Message(payload=b"y", attributes={"k": "v"}, delay_ms=0)
    assert full.WhichOneof("due") == "delay_ms"


def test_json_and_its_content_type() -> None:
    message = Message.json({"id": 1, "name": "ß"}, routing_key="eu")
    assert json.loads(message.payload) == {"id": 1, "name": "ß"}
    assert (message.content_type, message.routing_key) == ("application/json", "eu")
    with pytest.raises(ValueError, match="JSON"):
        Message.json(float("nan"))


def test_points() -> None:
    assert log_point("earliest").edge == message_pb2.LOG_EDGE_EARLIEST
    assert log_point(Position(3, 7)).position.offset == 7
    assert log_point(datetime(2026, 1, 1, tzinfo=timezone.utc)).time.seconds == 1767225600


def test_of_tasks_that_fail_together_the_first_is_raised_and_none_complains(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(why: str) -> None:
        raise ValueError(why)

    async def forever() -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(ValueError, match="first"):
            await first_of(loop.create_task(fail("first")), loop.create_task(forever()), loop.create_task(fail("second")))

    asyncio.run(run())
    gc.collect()
    assert not caplog.records
