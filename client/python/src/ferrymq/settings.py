"""Where messages come from and go to, and how. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ferrymq.message import Position

MIB = 1 << 20

Point = Literal["earliest", "latest"] | Position | datetime
"""A place in a topic: the first message that is kept, after the last there is now, exactly there, or the first one of a time."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, to publish straight into or to consume from."""

    name: str
    """NOT_FOUND if it does not exist."""


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group of a topic: its members share the topic's messages."""

    topic: str
    """NOT_FOUND if it does not exist."""
    name: str
    """1 to 64 bytes."""
    create: bool = False
    """Make it if it is not there. Default: NOT_FOUND, so that a typo leaves no queue behind that keeps messages for ever."""
    start: Point = "latest"
    """Where a group that is made now begins."""
    pattern: str = ""
    """Of routing keys, for a group that is made now. Empty: all."""
    filter: str = ""
    """A filter over attributes and JSON fields, for a group that is made now. Empty: all."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Everything that is published to a topic: a broadcast, where nothing is settled."""

    name: str
    """NOT_FOUND if it does not exist."""
    start: Point = "latest"
    """Where it begins."""
    stop: Point | None = None
    """Where it ends: a position is the last one that comes, a time the first at which nothing does. None: never."""
    pattern: str = ""
    """Of routing keys. Empty: all."""
    filter: str = ""
    """A filter over attributes and JSON fields. Empty: all."""


Destination = str | Topic | Queue
"""Where to publish: a topic by its name, or a `Queue`."""

Source = Queue | Group | Topic
"""Where to consume from."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What an ``https://`` URL trusts, and what it shows. All are PEM."""

    ca: bytes | None = None
    """Authorities that are trusted. None: gRPC's own, or those in the file that ``GRPC_DEFAULT_SSL_ROOTS_FILE_PATH`` names."""
    certificate: bytes | None = None
    """The client's own, with those up to its authority, for a proxy that asks for one. Needs `key`."""
    key: bytes | None = None
    """The key of `certificate`."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How a client talks to its broker."""

    call_timeout: float = 30.0
    """Deadline of a call that is no stream."""
    connect_timeout: float = 5.0
    """One attempt to connect."""
    backoff_min: float = 0.1
    """The pause before the first attempt to reconnect; doubled for each, a fifth more or less at random."""
    backoff_max: float = 10.0
    """The longest pause."""
    keepalive: float = 30.0
    """A ping so often, so that a dead connection is found."""
    keepalive_timeout: float = 20.0
    """How long its answer may take."""
    max_response_bytes: int = 64 * MIB
    """The largest response that is taken. 64 KiB to 256 MiB."""
    tls: Tls = Tls()
    """Of ``https://`` URLs."""


@dataclass(frozen=True, slots=True)
class PublisherOptions:
    """How a publisher batches and how much it holds."""

    linger: float = 0.0
    """How long a message may wait for others of its batch. With 0 a batch is whatever came while those before were being sent."""
    batch_messages: int = 1_000
    """Most messages in one batch. 1 to 10,000."""
    batch_bytes: int = 256 << 10
    """Most bytes in one batch; a larger message goes alone. Up to 4 MiB."""
    unconfirmed_bytes: int = 16 * MIB
    """Most bytes buffered and on their way; above, ``publish`` waits. One message always passes."""
    publish_timeout: float = 60.0
    """How long a message is tried for over reconnects, from ``publish``."""
    require_route: bool = False
    """Refuse a batch if a message of it matches no queue."""
    wait_for_room: float | None = None
    """How long the broker waits for room in a full queue, topic or disk, up to an hour. None: without end."""


@dataclass(frozen=True, slots=True)
class SubscriberOptions:
    """How much a subscriber holds, and for how long."""

    prefetch: int = 256
    """Most unsettled messages. 1 to 100,000. 1 for long jobs that should spread evenly."""
    prefetch_bytes: int = 8 * MIB
    """Most unsettled bytes. 1 to 256 MiB; one message always comes."""
    resume_within: float = 30.0
    """A broken stream is taken up again within this time, and the broker keeps its deliveries for it. 0 to 60."""
    lease: float | None = None
    """How long a delivery is this consumer's, if its connection hangs. None: as the queue says."""
    at_most_once: bool = False
    """Settled before it is sent: a crash loses it, and it never comes twice."""
    consumer: str = ""
    """Shown in stats and logs. At most 128 bytes. Empty: the peer's address."""
