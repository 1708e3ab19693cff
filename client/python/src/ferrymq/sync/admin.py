"""Making, showing, changing and deleting what exists, from threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Generic

import ferrymq.admin
from ferrymq import _admin_calls as calls
from ferrymq._calls import Call, P, Response
from ferrymq.sync._portal import Portal, portal


class BlockingCall(Generic[P, Response]):
    """One call of `Admin`."""

    def __init__(self, call: Call[P, Response]) -> None:
        self._call = call

    def __get__(self, admin: Admin, _: type[Admin]) -> Callable[P, Response]:
        call = self._call

        def made(*fields: P.args, **named: P.kwargs) -> Response:
            return portal().run(admin.inner.run(call, call.request(*fields, **named)))

        return made


class BlockingStream(Generic[P, Response]):
    """One call of `Admin` that is answered again and again."""

    def __init__(self, call: Call[P, Response]) -> None:
        self._call = call

    def __get__(self, admin: Admin, _: type[Admin]) -> Callable[P, Iterator[Response]]:
        call = self._call

        def made(*fields: P.args, **named: P.kwargs) -> Iterator[Response]:
            return _answers(portal(), admin.inner.stream(call, call.request(*fields, **named)))

        return made


def _answers(here: Portal, stream: AsyncGenerator[Response, None]) -> Iterator[Response]:
    """Waits for one after the other."""

    async def following() -> Response | None:
        return await anext(stream, None)

    try:
        while (answer := here.run(following())) is not None:
            yield answer
    finally:
        # Nobody waits for its end: the iterator may have been dropped, in whatever thread.
        asyncio.run_coroutine_threadsafe(_close(stream), here.loop)


async def _close(stream: AsyncGenerator[Response, None]) -> None:
    await stream.aclose()


class Admin:
    """As `ferrymq.Admin`, each call waiting for its answer."""

    create_topic = BlockingCall(calls.CREATE_TOPIC)
    """Makes a topic."""
    get_topic = BlockingCall(calls.GET_TOPIC)
    """Shows one. NOT_FOUND."""
    list_topics = BlockingCall(calls.LIST_TOPICS)
    """Shows many."""
    update_topic = BlockingCall(calls.UPDATE_TOPIC)
    """Changes settings. NOT_FOUND unless allow_missing; ABORTED (ETAG_MISMATCH)."""
    delete_topic = BlockingCall(calls.DELETE_TOPIC)
    """Deletes it with all it keeps."""
    create_queue = BlockingCall(calls.CREATE_QUEUE)
    """Makes a queue, with its bindings, in one commit."""
    get_queue = BlockingCall(calls.GET_QUEUE)
    """Shows one. NOT_FOUND."""
    list_queues = BlockingCall(calls.LIST_QUEUES)
    """Shows many."""
    update_queue = BlockingCall(calls.UPDATE_QUEUE)
    """Changes settings. NOT_FOUND unless allow_missing; ABORTED (ETAG_MISMATCH)."""
    delete_queue = BlockingCall(calls.DELETE_QUEUE)
    """Deletes it, its bindings and its messages."""
    create_binding = BlockingCall(calls.CREATE_BINDING)
    """Makes a binding."""
    get_binding = BlockingCall(calls.GET_BINDING)
    """Shows one. NOT_FOUND."""
    list_bindings = BlockingCall(calls.LIST_BINDINGS)
    """Shows many."""
    delete_binding = BlockingCall(calls.DELETE_BINDING)
    """Deletes one; what the queue had already received through it stays."""
    create_snapshot = BlockingCall(calls.CREATE_SNAPSHOT)
    """Takes a snapshot of a queue's progress."""
    get_snapshot = BlockingCall(calls.GET_SNAPSHOT)
    """Shows one. NOT_FOUND."""
    list_snapshots = BlockingCall(calls.LIST_SNAPSHOTS)
    """Shows many."""
    delete_snapshot = BlockingCall(calls.DELETE_SNAPSHOT)
    """Deletes one."""
    export_definitions = BlockingCall(calls.EXPORT_DEFINITIONS)
    """Everything there is, as data: no messages, no output-only fields."""
    apply_definitions = BlockingCall(calls.APPLY_DEFINITIONS)
    """Makes it so, in one commit, or says what it would do. Applying twice changes nothing the second time."""
    peek = BlockingCall(calls.PEEK)
    """Shows messages without taking them: nothing is leased, no attempt counts."""
    purge = BlockingCall(calls.PURGE)
    """Drops all that waits (not what consumers hold), at once."""
    seek = BlockingCall(calls.SEEK)
    """Moves a queue's progress, back (replay) or forward (skip). What consumers hold is LEASE_LOST for them."""
    pause = BlockingCall(calls.PAUSE)
    """Stops deliveries of a queue; publishing goes on. Survives restarts."""
    resume = BlockingCall(calls.RESUME)
    """Starts them again."""
    redrive = BlockingCall(calls.REDRIVE)
    """Sends dead letters back to where each came from (or elsewhere), each in one commit. A job."""
    move_messages = BlockingCall(calls.MOVE_MESSAGES)
    """Moves or copies messages to another queue or topic. A job."""
    delete_messages = BlockingCall(calls.DELETE_MESSAGES)
    """Deletes chosen messages. A job."""
    list_scheduled = BlockingCall(calls.LIST_SCHEDULED)
    """Messages that are not due yet, soonest first."""
    get_job = BlockingCall(calls.GET_JOB)
    """Shows a job. NOT_FOUND; finished ones are kept for 24 hours."""
    list_jobs = BlockingCall(calls.LIST_JOBS)
    """Shows jobs, newest first."""
    cancel_job = BlockingCall(calls.CANCEL_JOB)
    """Stops a job; what it has done stays done."""
    get_stats = BlockingCall(calls.GET_STATS)
    """Numbers, once."""
    watch_stats = BlockingStream(calls.WATCH_STATS)
    """Numbers, now and at each interval: ``for stats in client.admin.watch_stats(queues=["billing"])``.

    `interval` is 100 ms to 1 h, default 1 s; who is slow to take them misses some. It ends with its connection: `Unavailable`.
    """
    list_consumers = BlockingCall(calls.LIST_CONSUMERS)
    """Who consumes."""
    list_connections = BlockingCall(calls.LIST_CONNECTIONS)
    """Who is connected."""
    close_connection = BlockingCall(calls.CLOSE_CONNECTION)
    """Ends a connection; its deliveries go back at once. NOT_FOUND."""

    def __init__(self, inner: ferrymq.admin.Admin) -> None:
        self.inner = inner
        """What makes the calls."""
