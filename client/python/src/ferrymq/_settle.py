"""Settlements on their way: put together while those before are being sent, and sent again when the connection breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from enum import Enum
from typing import NamedTuple

from ferrymq._signal import Signal
from ferrymq._wire import duration
from ferrymq.errors import Error, unavailable
from ferrymq.v1 import messaging_service_pb2 as pb

# Most ids in one settlement, and most settlements in one request.
GROUP_MAX = 1_000
_REQUEST_MAX = 64

_MODES = {"RELEASE": pb.NACK_MODE_RELEASE, "RETRY": pb.NACK_MODE_RETRY, "REJECT": pb.NACK_MODE_REJECT}


class SettleStatus(Enum):
    """What became of a settlement."""

    OK = 1
    """Done as asked, and on disk."""
    ALREADY_SETTLED = 2
    """It had been settled before: a success."""
    LEASE_LOST = 3
    """The lease had ended: nothing was done."""
    GONE = 4
    """The queue or the message is gone: nothing was done."""
    INVALID = 5
    """Not a delivery of this broker: nothing was done."""


class Action(NamedTuple):
    """What is to be done with deliveries."""

    kind: str
    """``ack``, ``extend``, or the mode of a nack: ``RELEASE``, ``RETRY``, ``REJECT``."""
    time: float | None = None
    """Of a nack the delay, of an extension the lease."""
    reason: str = ""


ACK = Action("ack")
RELEASE = Action("RELEASE")


class SettleGroup:
    """Deliveries that are settled in the same way at once."""

    __slots__ = ("ack_ids", "action", "done", "id")

    def __init__(self, group_id: int, action: Action, loop: asyncio.AbstractEventLoop) -> None:
        self.id = group_id
        self.action = action
        self.ack_ids: list[bytes] = []
        self.done: asyncio.Future[Sequence[int] | Error] = loop.create_future()

    def add(self, ack_id: bytes) -> Settled:
        """One more."""
        self.ack_ids.append(ack_id)
        return Settled(self, len(self.ack_ids) - 1)

    def request(self) -> pb.AckRequest | pb.NackRequest | pb.ExtendLeaseRequest:
        """As one call."""
        kind, time, reason = self.action
        length = duration(time) if time is not None else None
        if kind == "ack":
            return pb.AckRequest(ack_ids=self.ack_ids)
        if kind == "extend":
            return pb.ExtendLeaseRequest(ack_ids=self.ack_ids, lease=length)
        return pb.NackRequest(ack_ids=self.ack_ids, mode=_MODES[kind], delay=length, reason=reason)

    def write_to(self, stream_request: pb.ConsumeRequest) -> None:
        """As a part of a stream's request, written where it is sent from: acks are most of what is ever sent."""
        settlement = stream_request.settlements.add(id=self.id)
        if self.action.kind == "ack":
            settlement.ack.ack_ids.extend(self.ack_ids)
            return
        request = self.request()
        if isinstance(request, pb.ExtendLeaseRequest):
            settlement.extend.CopyFrom(request)
        elif isinstance(request, pb.NackRequest):
            settlement.nack.CopyFrom(request)

    def end(self, outcome: Sequence[int] | Error) -> None:
        """The broker's answer, or why there is none."""
        if not self.done.done():
            self.done.set_result(outcome)


class Settled:
    """The outcome of a settlement: ``await`` gives its `SettleStatus`, or raises an `Error`. It need not be awaited."""

    __slots__ = ("_group", "_index")

    def __init__(self, group: SettleGroup, index: int) -> None:
        self._group = group
        self._index = index

    def __await__(self) -> Generator[object, None, SettleStatus]:
        if not self._group.done.done():
            yield from self.wait().__await__()
        return self.result()

    async def wait(self) -> None:
        """Until it is done, however it ends."""
        # Shielded: who waits may be cancelled, what others wait for is not.
        await asyncio.shield(self._group.done)

    def done(self) -> bool:
        """True once the broker has answered, or never will."""
        return self._group.done.done()

    def result(self) -> SettleStatus:
        """The status. Raises `Error`; `asyncio.InvalidStateError` while it is not done."""
        outcome = self._group.done.result()
        if isinstance(outcome, Error):
            raise outcome.copy()
        return SettleStatus(outcome[self._index])


class Settlements:
    """What is to be settled, and what was sent and not answered."""

    def __init__(self) -> None:
        self.changed = Signal()
        """There may be something to send."""
        self._unsent: list[SettleGroup] = []
        self._sent: dict[int, SettleGroup] = {}
        self._last: SettleGroup | None = None
        """The group that more of its kind may be added to."""
        self._last_id = 0
        self._ended: Error | None = None

    @property
    def is_empty(self) -> bool:
        """True if all is answered."""
        return not (self._unsent or self._sent)

    def settle(self, ack_id: bytes, action: Action) -> Settled:
        """Takes a settlement. Called by `Delivery`, for each of very many."""
        group = self._last
        if group is None or not ack_id or (group.action is not action and group.action != action):
            return self._begin(ack_id, action)
        ack_ids = group.ack_ids
        ack_ids.append(ack_id)
        if len(ack_ids) >= GROUP_MAX:
            self._last = None
        return Settled(group, len(ack_ids) - 1)

    def _begin(self, ack_id: bytes, action: Action) -> Settled:
        self._last_id += 1
        group = SettleGroup(self._last_id, action, asyncio.get_running_loop())
        settled = group.add(ack_id)
        if not ack_id:
            # A broadcast's: there is nothing to settle.
            group.end([SettleStatus.OK.value])
        elif self._ended is not None:
            group.end(self._ended)
        else:
            self._last = group
            self._unsent.append(group)
            self.changed.wake()
        return settled

    def take(self) -> list[SettleGroup]:
        """What is to be sent now."""
        groups, self._unsent = self._unsent[:_REQUEST_MAX], self._unsent[_REQUEST_MAX:]
        if not self._unsent:
            self._last = None
        self._sent.update((group.id, group) for group in groups)
        return groups

    def send_again(self) -> None:
        """The connection is new: what was sent and not answered goes first. Settling twice is settling once."""
        self._unsent = [*self._sent.values(), *self._unsent]
        self._sent.clear()

    def answered(self, group_id: int, outcome: Sequence[int] | Error) -> SettleGroup | None:
        """The broker's answer; the group that it is about."""
        group = self._sent.pop(group_id, None)
        if group is not None:
            group.end(outcome)
            self.changed.wake()
        return group

    def end(self, error: Error | None) -> None:
        """Nothing is sent or answered any more."""
        self._ended = error or unavailable("the subscriber is closed")
        for group in [*self._sent.values(), *self._unsent]:
            group.end(self._ended)
        self._sent.clear()
        self._unsent.clear()
        self._last = None
        self.changed.wake()
