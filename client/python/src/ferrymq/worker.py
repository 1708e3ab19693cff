"""Running a handler for each delivery."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from ferrymq._signal import cancel
from ferrymq._trace import restored
from ferrymq.delivery import Delivery, Received
from ferrymq.errors import Reject
from ferrymq.subscriber import Subscriber

Handler = Callable[[Received], Awaitable[object] | object]
"""Called with each delivery. A function that is no coroutine function runs in a thread."""


class Worker:
    """Runs a handler for each delivery, so many at a time. Made by `Client.worker`.

    When the handler returns, the delivery is acked; when it raises, it is retried with the error's text as the reason; when it raises
    `Reject`, it is rejected.
    """

    def __init__(self, subscriber: Subscriber, handler: Handler, concurrency: int, drain_timeout: float) -> None:
        self._subscriber = subscriber
        self._handler = handler
        self._concurrency = concurrency
        self._drain_timeout = drain_timeout
        self._pool = None if inspect.iscoroutinefunction(handler) else ThreadPoolExecutor(concurrency, "ferrymq-worker")
        self._stopping = asyncio.Event()
        self._busy: set[asyncio.Task[None]] = set()
        """Runners whose handler is running."""

    def stop(self) -> None:
        """Begins nothing new; `run` ends once handlers have, or after ``drain_timeout``. Not from another thread."""
        self._stopping.set()

    async def run(self) -> None:
        """Until it is stopped, or its subscriber ends: then raises why.

        Handlers that do not end in time are cancelled, and their deliveries go back.
        """
        runners = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]
        stopping = asyncio.create_task(self._wait())
        try:
            await asyncio.wait([stopping, *runners], return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            await self._drain(runners)
        finally:
            failures = await cancel([stopping, *runners])
            await self._subscriber.close()
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
        if failures:
            raise failures[0]

    async def _wait(self) -> None:
        await self._stopping.wait()

    async def _drain(self, runners: list[asyncio.Task[None]]) -> None:
        idle = [runner for runner in runners if runner not in self._busy]
        await cancel(idle)
        busy = [runner for runner in runners if not runner.done()]
        if busy:
            await asyncio.wait(busy, timeout=self._drain_timeout)

    async def _work(self) -> None:
        this = asyncio.current_task()
        assert this is not None
        while not self._stopping.is_set():
            delivery = await self._subscriber.next()
            if delivery is None:
                return
            self._busy.add(this)
            try:
                await self._handle(delivery)
            finally:
                self._busy.discard(this)

    async def _handle(self, delivery: Delivery) -> None:
        try:
            with restored(delivery.message):
                await self._call(delivery)
        except Reject as why:
            delivery.reject(str(why))
        except Exception as why:
            delivery.retry(str(why) or type(why).__name__)
        else:
            delivery.ack()

    async def _call(self, delivery: Delivery) -> None:
        if self._pool is not None:
            run = contextvars.copy_context().run
            await asyncio.get_running_loop().run_in_executor(self._pool, run, self._handler, delivery)
        elif inspect.isawaitable(outcome := self._handler(delivery)):
            await outcome
