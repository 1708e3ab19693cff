"""A broker, for threads."""

from __future__ import annotations

from types import TracebackType

import ferrymq.client
import ferrymq.publisher
import ferrymq.subscriber
import ferrymq.worker
from ferrymq._trace import with_current
from ferrymq.message import Message, PublishResult
from ferrymq.settings import MIB, ClientOptions, Destination, Group, Point, Queue, Source, Topic
from ferrymq.sync._portal import Portal, portal
from ferrymq.sync.admin import Admin
from ferrymq.sync.publisher import Publisher
from ferrymq.sync.subscriber import Delivery, RelaySettler, Subscriber
from ferrymq.sync.worker import Worker
from ferrymq.worker import Handler


def connect(url: str | None = None, options: ClientOptions | None = None) -> Client:
    """As `ferrymq.connect`: the argument, else ``FERRYMQ_URL``, else ``http://127.0.0.1:7171``. It does not wait for the broker."""
    return Client(url, options)


class Client:
    """A broker, for any number of threads. Made by `connect`; ``with`` closes it. As `ferrymq.Client`.

    It connects in each process that uses it, so one that a module makes works in every child of gunicorn and Celery. gRPC does not survive
    a fork once it has connected: where the parent was the first to use it, calls in the child raise `FailedPrecondition`.
    """

    def __init__(self, url: str | None = None, options: ClientOptions | None = None) -> None:
        self._inner = ferrymq.client.Client(url, options)
        self._settler: tuple[Portal, RelaySettler] | None = None
        self.admin = Admin(self._inner.admin)
        """Topics, queues, bindings, snapshots and stats."""

    @property
    def url(self) -> str:
        """Of the broker."""
        return self._inner.url

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

        def make() -> ferrymq.publisher.Publisher:
            return self._inner.publisher(
                destination,
                linger=linger,
                batch_messages=batch_messages,
                batch_bytes=batch_bytes,
                unconfirmed_bytes=unconfirmed_bytes,
                publish_timeout=publish_timeout,
                require_route=require_route,
                wait_for_room=wait_for_room,
            )

        return Publisher(make, unconfirmed_bytes)

    def publish(
        self,
        destination: Destination,
        message: Message,
        *,
        require_route: bool = False,
        wait_for_room: float = 0.0,
        timeout: float | None = None,
    ) -> PublishResult:
        """Publishes one message by a call of its own and waits until it is on disk. As `ferrymq.Client.publish`."""
        call = self._inner.publish(
            destination, with_current(message), require_route=require_route, wait_for_room=wait_for_room, timeout=timeout
        )
        return portal().run(call)

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

        def make() -> ferrymq.subscriber.Subscriber:
            return self._inner.subscribe(
                source,
                prefetch=prefetch,
                prefetch_bytes=prefetch_bytes,
                resume_within=resume_within,
                lease=lease,
                at_most_once=at_most_once,
                consumer=consumer,
            )

        return Subscriber(portal(), make)

    def read(self, topic: str | Topic, start: Point = "earliest", stop: Point | None = None) -> Subscriber:
        """A topic from any point, up to `stop` if it is given; nothing is settled. As `ferrymq.Client.read`."""
        return Subscriber(portal(), lambda: self._inner.read(topic, start, stop))

    def worker(
        self,
        source: Source,
        handler: Handler,
        *,
        concurrency: int = 8,
        drain_timeout: float = 30.0,
        consumer: str = "",
    ) -> Worker:
        """Runs `handler` for each delivery, in so many threads, once its ``run`` is called.

        `drain_timeout`: how long handlers may take to end when it stops.
        """

        def make() -> ferrymq.worker.Worker:
            return self._inner.worker(source, handler, concurrency=concurrency, drain_timeout=drain_timeout, consumer=consumer)

        return Worker(portal(), make)

    def pull(
        self,
        source: Queue | Group,
        max: int = 1,  # noqa: A002 - the word of all languages.
        wait: float = 10.0,
        *,
        max_bytes: int = 0,
        lease: float | None = None,
        at_most_once: bool = False,
    ) -> list[Delivery]:
        """Takes up to `max` deliveries and waits so long for the first one. As `ferrymq.Client.pull`."""
        here = portal()
        pulled = here.run(self._inner.pull(source, max, wait, max_bytes=max_bytes, lease=lease, at_most_once=at_most_once))
        if self._settler is None or self._settler[0] is not here:
            self._settler = here, RelaySettler(here, self._inner.puller())
        settler = self._settler[1]
        return [Delivery(delivery.wire, delivery.wire.ack_id, settler) for delivery in pulled]

    def close(self) -> None:
        """Ends all that was made by it in order: confirms come or fail, settlements are answered, what is held goes back."""
        portal().run(self._inner.close())

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
