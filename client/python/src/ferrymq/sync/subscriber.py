"""Deliveries for threads."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import ferrymq.subscriber
from ferrymq import _settle
from ferrymq._settle import Action
from ferrymq.delivery import Settleable, Settler
from ferrymq.sync._outcomes import Settled
from ferrymq.sync._portal import Portal, Relay


class Delivery(Settleable[Settled]):
    """A delivery that waits to be settled, by any thread: see `Settleable`."""

    __slots__ = ()


class _Settlement(NamedTuple):
    ack_id: bytes
    action: Action
    settled: Settled


class RelaySettler:
    """Carries settlements to the loop, where they are put together."""

    def __init__(self, portal: Portal, settler: Settler[_settle.Settled]) -> None:
        self._portal = portal
        self._settler = settler
        self._relay: Relay[_Settlement] = Relay(portal.loop, self._take)

    def settle(self, ack_id: bytes, action: Action) -> Settled:
        """Settles a delivery. Called by `Delivery`."""
        settled = Settled(self._portal)
        self._relay.post(_Settlement(ack_id, action, settled))
        return settled

    def _take(self, settlement: _Settlement) -> None:
        settlement.settled.inner = self._settler.settle(settlement.ack_id, settlement.action)


class Subscriber:
    """Deliveries: ``for delivery in subscriber``. Made by `Client.subscribe`; ``with`` closes it. As `ferrymq.Subscriber`.

    It belongs to the process that it was made in.
    """

    def __init__(self, portal: Portal, make: Callable[[], ferrymq.subscriber.Subscriber]) -> None:
        self._portal = portal
        self._inner = portal.call(make)
        self._settler = RelaySettler(portal, self._inner.inbox.settlements)

    def open(self) -> None:
        """Waits until the broker has opened it for the first time: what is published from then on comes. Raises what is in the way."""
        self._portal.run(self._inner.open())

    def __iter__(self) -> Subscriber:
        return self

    def __next__(self) -> Delivery:
        delivery = self.next()
        if delivery is None:
            raise StopIteration
        return delivery

    def next(self, timeout: float | None = None) -> Delivery | None:
        """The next delivery; None once it has been closed, or a broadcast is at its end.

        Raises why it has ended otherwise; TimeoutError if none comes within `timeout` seconds, and may be asked again.
        """
        inbox = self._inner.inbox
        while True:
            try:
                # Usually some have come already, and the loop has nothing to do with it.
                delivery = inbox.waiting.popleft()
            except IndexError:
                if not self._portal.run(self._inner.ready(), timeout):
                    return None
                continue
            if not inbox.waiting and inbox.is_broadcast:
                self._portal.loop.call_soon_threadsafe(inbox.drained.wake)
            return Delivery(delivery.wire, delivery.wire.ack_id, self._settler)

    def close(self) -> None:
        """Ends it: settlements are answered, and what is held goes back without a failure. Settling it later fails."""
        self._portal.run(self._inner.close())

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
