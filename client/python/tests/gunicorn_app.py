"""An application for gunicorn that publishes a message for each request. Run by test_prefork.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from ferrymq import Message, Queue, sync

# With --preload this is done before the workers are forked off.
client = sync.connect()
publisher = client.publisher(Queue(os.environ["QUEUE"]))


def application(environ: dict[str, object], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    worker = str(os.getpid()).encode()
    publisher.publish(Message(worker)).result(20)
    start_response("200 OK", [("Content-Length", str(len(worker)))])
    return [worker]
