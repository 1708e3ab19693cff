from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from ferrymq.testing import Broker


def needed(module: str) -> Any:
    """A package that a test needs beside this one. Without it the test is skipped; in CI it fails."""
    return import_module(module) if os.environ.get("CI") == "true" else pytest.importorskip(module)


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
