"""A broker."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Protocol

from ferrymq._puller import Puller
from ferrymq._session import Session
from ferrymq._trace import with_current
from ferrymq._wire import publish_request
from ferrymq.admin import Admin
from ferrymq.delivery import Delivery
from ferrymq.errors import Error
from ferrymq.message import Message, PublishResult, result_of
from ferrymq.publisher import Publisher
from ferrymq.settings import (
    MIB,
    ClientOptions,
    Destination,
    Group,
    Point,
    PublisherOptions,
    Queue,
    Source,
    SubscriberOptions,
    Topic,
)
from ferrymq.subscriber import Subscriber
from ferrymq.v1 import message_pb2
from ferrymq.v1 import messaging_service_pb2 as pb
from ferrymq.worker import Handler, Worker

_PUBLISH = "/ferrymq.v1.MessagingService/Publish"


class _Closable(Protocol):
    async def close(self) -> None: ...


def connect(url: str | None = None, options: ClientOptions | None = None) -> Client:
    """A client of the broker at `url`, else at ``FERRYMQ_URL``, else at ``http://127.0.0.1:7171``.

    ``http://`` is plain text, ``https://`` is TLS with gRPC's root certificates, or what ``options.tls`` names. It does not wait for the
    broker: the first call does. Raises `InvalidArgument` for another kind of URL.
    """
    return Client(url, options)


class Client:
    """A broker. Made by `connect`; ``async with`` closes it.

    It connects in the process and event loop that use it, so one that was made before a fork works in each child. gRPC does not survive a
    fork once it has connected: then calls in the child raise `FailedPrecondition`.
    """

    def __init__(self, url: str | None = None, options: ClientOptions | None = None) -> None:
        self._options = options or ClientOptions()
        self._session = Session(url, self._options)
        self._open: dict[_Closable, None] = {}
        self._puller: Puller | None = None
        self._process = os.getpid()
        self.admin = Admin(self._session, self._options.call_timeout)
        """Topics, queues, bindings, snapshots and stats."""

    @property
    def url(self) -> str:
        """Of the broker."""
        return self._session.url

    def publisher(
        self,
        destination: Destination,
        *,
        linger: float = 0.0,
        batch_messages: int = 1_000,
        batch_bytes: int = 256 << 10,
        unconfirmed_bytes: int = 16 * MIB,
        publish_timeout: float = 60.0,
        require_route: bool = False,
        wait_for_room: float | None = None,
    ) -> Publisher:
        """A publisher to a topic, by its name, or to a `Queue`. For what the settings mean see `PublisherOptions`."""
        options = PublisherOptions(linger, batch_messages, batch_bytes, unconfirmed_bytes, publish_timeout, require_route, wait_for_room)
        publisher = Publisher(self._session, self._options, destination, options, self._forget)
        self._keep(publisher)
        return publisher

    async def publish(
        self,
        destination: Destination,
        message: Message,
        *,
        require_route: bool = False,
        wait_for_room: float = 0.0,
        timeout: float | None = None,
    ) -> PublishResult:
        """Publishes one message by a call of its own and waits until it is on disk: for programs that publish now and then.

        `require_route`: refuse it if it matches no queue. `wait_for_room`: how long the broker waits for room in a full queue.
        `timeout`: default ``call_timeout``. Raises `Error`; after `Unavailable` and `Timeout` it may or may not be stored.
        """
        options = PublisherOptions(require_route=require_route, wait_for_room=wait_for_room)
        request = publish_request(destination, options)
        request.messages.append(message_pb2.Message.FromString(with_current(message).encode()))
        timeout = self._options.call_timeout if timeout is None else timeout
        response = await self._session.call(_PUBLISH, request, pb.PublishResponse, timeout)
        return result_of(response.results[0])

    def subscribe(
        self,
        source: Source,
        *,
        prefetch: int = 256,
        prefetch_bytes: int = 8 * MIB,
        resume_within: float = 30.0,
        lease: float | None = None,
        at_most_once: bool = False,
        consumer: str = "",
    ) -> Subscriber:
        """Deliveries of a `Queue`, a `Group`, or a `Topic` (a broadcast). For what the settings mean see `SubscriberOptions`."""
        options = SubscriberOptions(prefetch, prefetch_bytes, resume_within, lease, at_most_once, consumer)
        subscriber = Subscriber(self._session, self._options, source, options, self._forget)
        self._keep(subscriber)
        return subscriber

    def read(self, topic: str | Topic, start: Point = "earliest", stop: Point | None = None) -> Subscriber:
        """A topic from any point, up to `stop` if it is given; nothing is settled.

        It goes on after its last position when its connection breaks.
        """
        if isinstance(topic, str):
            topic = Topic(topic, start, stop)
        return self.subscribe(topic)

    def worker(
        self,
        source: Source,
        handler: Handler,
        *,
        concurrency: int = 8,
        drain_timeout: float = 30.0,
        consumer: str = "",
    ) -> Worker:
        """Runs `handler` for each delivery, so many at a time, once its ``run`` is awaited.

        `drain_timeout`: how long handlers may take to end when it stops.
        """
        subscriber = self.subscribe(source, prefetch=2 * concurrency, consumer=consumer)
        return Worker(subscriber, handler, concurrency, drain_timeout)

    async def pull(
        self,
        source: Queue | Group,
        max: int = 1,  # noqa: A002 - the word of all languages.
        wait: float = 10.0,
        *,
        max_bytes: int = 0,
        lease: float | None = None,
        at_most_once: bool = False,
    ) -> list[Delivery]:
        """Takes up to `max` deliveries (up to 10,000) and waits so long for the first one, up to 5 minutes. None are no error.

        Their leases are prolonged until they are settled or the client is closed. `max_bytes`: most together, 0: 1 MiB.
        """
        request = pb.PullRequest(max_messages=max, max_bytes=max_bytes, at_most_once=at_most_once)
        return await self.puller().pull(source, request, wait, lease)

    def puller(self) -> Puller:
        """What settles deliveries that were pulled. For `ferrymq.sync`."""
        self._leave_parents()
        if self._puller is None:
            self._puller = Puller(self._session, self._options)
        return self._puller

    async def close(self) -> None:
        """Ends all that was made by it in order: confirms come or fail, settlements are answered, what is held goes back.

        Raises as `Publisher.close` does, once all is ended.
        """
        self._leave_parents()
        failed: Error | None = None
        while self._open:
            made, _ = self._open.popitem()
            try:
                await made.close()
            except Error as error:
                failed = failed or error
        if self._puller is not None:
            await self._puller.close()
        await self._session.close()
        if failed is not None:
            raise failed

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def _keep(self, made: _Closable) -> None:
        self._leave_parents()
        self._open[made] = None

    def _leave_parents(self) -> None:
        """What was made before this process was forked off is its parent's to end."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._open = {}
            self._puller = None

    def _forget(self, made: _Closable) -> None:
        self._open.pop(made, None)
