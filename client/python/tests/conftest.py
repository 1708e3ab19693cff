from __future__ import annotations

from collections.abc import Iterator

import pytest

from ferrymq.testing import Broker


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with Broker(arguments=("--log", "error")) as broker:
        yield broker.url


_queues = 0


@pytest.fixture
def queue(url: str) -> str:
    """A queue of the test's own."""
    from ferrymq import sync

    global _queues
    _queues += 1
    name = f"queue-{_queues}"
    with sync.connect(url) as client:
        client.admin.create_queue(queue={"name": name})
    return name
