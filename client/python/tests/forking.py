"""Forks children that use what their parent has made. Run by test_fork.py, in a process that has not connected yet."""

from __future__ import annotations

import os
import sys
import traceback

import pytest

from ferrymq import FailedPrecondition, Message, Queue, sync

_, queue = sys.argv
client = sync.connect()
publisher = client.publisher(Queue(queue))


def use() -> None:
    publisher.publish(Message(b"published")).result(20)
    assert client.publish(Queue(queue), Message(b"called")).position is not None
    with client.subscribe(Queue(queue)) as subscriber:
        delivery = subscriber.next(20)
        assert delivery is not None
        delivery.ack().result(20)
    client.close()


def refused() -> None:
    with pytest.raises(FailedPrecondition, match="forked"):
        sync.connect().admin.list_queues()


def in_child(refuses: bool) -> None:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            refused() if refuses else use()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0


in_child(refuses=False)
in_child(refuses=False)
use()
in_child(refuses=True)
