"""Making, showing, changing and deleting what exists."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, Generic

from google.protobuf.message import Message as ProtoMessage

from ferrymq import _admin_calls as calls
from ferrymq._calls import Call, P, Response
from ferrymq._session import Session


class AsyncCall(Generic[P, Response]):
    """One call of `Admin`."""

    def __init__(self, call: Call[P, Response]) -> None:
        self._call = call

    def __get__(self, admin: Admin, _: type[Admin]) -> Callable[P, Awaitable[Response]]:
        call = self._call

        def made(*fields: P.args, **named: P.kwargs) -> Coroutine[Any, Any, Response]:
            return admin.run(call, call.request(*fields, **named))

        return made


class AsyncStream(Generic[P, Response]):
    """One call of `Admin` that is answered again and again."""

    def __init__(self, call: Call[P, Response]) -> None:
        self._call = call

    def __get__(self, admin: Admin, _: type[Admin]) -> Callable[P, AsyncGenerator[Response, None]]:
        call = self._call

        def made(*fields: P.args, **named: P.kwargs) -> AsyncGenerator[Response, None]:
            return admin.stream(call, call.request(*fields, **named))

        return made


class Admin:
    """Topics, queues, bindings, snapshots and stats, one method for each call of the API.

    Each takes the fields of its request by their names (a message of `ferrymq.proto`, or a dict of its fields, where one is nested), gives
    the broker's answer, and raises `Error`. ``client.admin.create_topic(topic={"name": "orders"})``.
    """

    create_topic = AsyncCall(calls.CREATE_TOPIC)
    """Makes a topic."""
    get_topic = AsyncCall(calls.GET_TOPIC)
    """Shows one. NOT_FOUND."""
    list_topics = AsyncCall(calls.LIST_TOPICS)
    """Shows many."""
    update_topic = AsyncCall(calls.UPDATE_TOPIC)
    """Changes settings. NOT_FOUND unless allow_missing; ABORTED (ETAG_MISMATCH)."""
    delete_topic = AsyncCall(calls.DELETE_TOPIC)
    """Deletes it with all it keeps."""
    create_queue = AsyncCall(calls.CREATE_QUEUE)
    """Makes a queue, with its bindings, in one commit."""
    get_queue = AsyncCall(calls.GET_QUEUE)
    """Shows one. NOT_FOUND."""
    list_queues = AsyncCall(calls.LIST_QUEUES)
    """Shows many."""
    update_queue = AsyncCall(calls.UPDATE_QUEUE)
    """Changes settings. NOT_FOUND unless allow_missing; ABORTED (ETAG_MISMATCH)."""
    delete_queue = AsyncCall(calls.DELETE_QUEUE)
    """Deletes it, its bindings and its messages."""
    create_binding = AsyncCall(calls.CREATE_BINDING)
    """Makes a binding."""
    get_binding = AsyncCall(calls.GET_BINDING)
    """Shows one. NOT_FOUND."""
    list_bindings = AsyncCall(calls.LIST_BINDINGS)
    """Shows many."""
    delete_binding = AsyncCall(calls.DELETE_BINDING)
    """Deletes one; what the queue had already received through it stays."""
    create_snapshot = AsyncCall(calls.CREATE_SNAPSHOT)
    """Takes a snapshot of a queue's progress."""
    get_snapshot = AsyncCall(calls.GET_SNAPSHOT)
    """Shows one. NOT_FOUND."""
    list_snapshots = AsyncCall(calls.LIST_SNAPSHOTS)
    """Shows many."""
    delete_snapshot = AsyncCall(calls.DELETE_SNAPSHOT)
    """Deletes one."""
    export_definitions = AsyncCall(calls.EXPORT_DEFINITIONS)
    """Everything there is, as data: no messages, no output-only fields."""
    apply_definitions = AsyncCall(calls.APPLY_DEFINITIONS)
    """Makes it so, in one commit, or says what it would do. Applying twice changes nothing the second time."""
    peek = AsyncCall(calls.PEEK)
    """Shows messages without taking them: nothing is leased, no attempt counts."""
    purge = AsyncCall(calls.PURGE)
    """Drops all that waits (not what consumers hold), at once."""
    seek = AsyncCall(calls.SEEK)
    """Moves a queue's progress, back (replay) or forward (skip). What consumers hold is LEASE_LOST for them."""
    pause = AsyncCall(calls.PAUSE)
    """Stops deliveries of a queue; publishing goes on. Survives restarts."""
    resume = AsyncCall(calls.RESUME)
    """Starts them again."""
    redrive = AsyncCall(calls.REDRIVE)
    """Sends dead letters back to where each came from (or elsewhere), each in one commit. A job."""
    move_messages = AsyncCall(calls.MOVE_MESSAGES)
    """Moves or copies messages to another queue or topic. A job."""
    delete_messages = AsyncCall(calls.DELETE_MESSAGES)
    """Deletes chosen messages. A job."""
    list_scheduled = AsyncCall(calls.LIST_SCHEDULED)
    """Messages that are not due yet, soonest first."""
    get_job = AsyncCall(calls.GET_JOB)
    """Shows a job. NOT_FOUND; finished ones are kept for 24 hours."""
    list_jobs = AsyncCall(calls.LIST_JOBS)
    """Shows jobs, newest first."""
    cancel_job = AsyncCall(calls.CANCEL_JOB)
    """Stops a job; what it has done stays done."""
    get_stats = AsyncCall(calls.GET_STATS)
    """Numbers, once."""
    watch_stats = AsyncStream(calls.WATCH_STATS)
    """Numbers, now and at each interval: ``async for stats in client.admin.watch_stats(queues=["billing"])``.

    `interval` is 100 ms to 1 h, default 1 s; who is slow to take them misses some. It ends with its connection: `Unavailable`.
    """
    list_consumers = AsyncCall(calls.LIST_CONSUMERS)
    """Who consumes."""
    list_connections = AsyncCall(calls.LIST_CONNECTIONS)
    """Who is connected."""
    close_connection = AsyncCall(calls.CLOSE_CONNECTION)
    """Ends a connection; its deliveries go back at once. NOT_FOUND."""

    def __init__(self, session: Session, timeout: float) -> None:
        self._session = session
        self._timeout = timeout

    async def run(self, call: Call[P, Response], request: ProtoMessage) -> Response:
        """Makes a call with a request that is made already. Raises `Error`."""
        return await self._session.call(call.path, request, call.response, self._timeout)

    def stream(self, call: Call[P, Response], request: ProtoMessage) -> AsyncGenerator[Response, None]:
        """Makes a call that is answered again and again. Raises `Error` when it is asked for an answer."""
        return self._session.answers(call.path, request, call.response)
