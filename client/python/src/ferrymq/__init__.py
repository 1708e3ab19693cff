"""FerryMQ from Python.

This is the asyncio API: a client of a broker waits most of the time, so it is what everything here is written in. `ferrymq.sync`
has the same words for threads.
"""

import logging

from ferrymq._batch import Confirm
from ferrymq._settle import Settled, SettleStatus
from ferrymq.admin import Admin
from ferrymq.client import Client, connect
from ferrymq.delivery import Delivery, Received
from ferrymq.errors import (
    AlreadyExists,
    Error,
    Exhausted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Reject,
    Timeout,
    Unavailable,
    Violation,
)
from ferrymq.message import DeadLetter, Message, Position, PublishResult
from ferrymq.publisher import Publisher
from ferrymq.settings import ClientOptions, Group, Point, PublisherOptions, Queue, Source, SubscriberOptions, Tls, Topic
from ferrymq.subscriber import Subscriber
from ferrymq.worker import Worker

logging.getLogger("ferrymq").addHandler(logging.NullHandler())

__all__ = [
    "Admin",
    "AlreadyExists",
    "Client",
    "ClientOptions",
    "Confirm",
    "DeadLetter",
    "Delivery",
    "Error",
    "Exhausted",
    "FailedPrecondition",
    "Group",
    "InvalidArgument",
    "Message",
    "NotFound",
    "Point",
    "Position",
    "PublishResult",
    "Publisher",
    "PublisherOptions",
    "Queue",
    "Received",
    "Reject",
    "SettleStatus",
    "Settled",
    "Source",
    "Subscriber",
    "SubscriberOptions",
    "Timeout",
    "Tls",
    "Topic",
    "Unavailable",
    "Violation",
    "Worker",
    "connect",
]
