"""What is still on its way, seen from a thread."""

from __future__ import annotations

from typing import Generic, TypeVar

from ferrymq import _batch, _settle
from ferrymq._settle import SettleStatus
from ferrymq.message import PublishResult
from ferrymq.sync._portal import Portal

Inner = TypeVar("Inner", _batch.Confirm, _settle.Settled)


class Outcome(Generic[Inner]):
    """Something that is handed to the loop, and its outcome there."""

    __slots__ = ("_portal", "inner")

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self.inner: Inner | None = None
        """Set in the loop."""

    def done(self) -> bool:
        """True once the broker has answered, or never will."""
        return self.inner is not None and self.inner.done()

    def _wait(self, timeout: float | None) -> Inner:
        inner = self.inner
        if inner is None or not inner.done():
            return self._portal.run(self._done(), timeout)
        return inner

    async def _done(self) -> Inner:
        # It was handed over before this, so it is there.
        inner = self.inner
        assert inner is not None
        await inner.wait()
        return inner


class Confirm(Outcome[_batch.Confirm]):
    """Whether a message is on disk."""

    __slots__ = ()

    def result(self, timeout: float | None = None) -> PublishResult:
        """Waits for the result. Raises the error of its batch; TimeoutError after `timeout` seconds, and may be asked again."""
        return self._wait(timeout).result()


class Settled(Outcome[_settle.Settled]):
    """The outcome of a settlement. Nobody has to ask for it."""

    __slots__ = ()

    def result(self, timeout: float | None = None) -> SettleStatus:
        """Waits for the status. Raises `Error`; TimeoutError after `timeout` seconds, and may be asked again."""
        return self._wait(timeout).result()
