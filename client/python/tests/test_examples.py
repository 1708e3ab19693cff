"""The README shows the examples as they are, and they run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ferrymq import sync

PACKAGE = Path(__file__).parent.parent
EXAMPLES = PACKAGE / "examples"
PATIENCE = 20.0


def test_the_readme_shows_the_examples_as_they_are() -> None:
    shown = re.findall(r"```python (\S+)\n(.*?)```", (PACKAGE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert sorted(name for name, _ in shown) == sorted(f"examples/{file.name}" for file in EXAMPLES.glob("*.py"))
    for name, text in shown:
        assert text == (PACKAGE / name).read_text(encoding="utf-8"), name


@contextmanager
def running(url: str, name: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-u", str(EXAMPLES / f"{name}.py")]
    environment = {**os.environ, "FERRYMQ_URL": url}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def output(url: str, name: str) -> str:
    with running(url, name) as process:
        text, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, name
        return text


def wait_for_group(client: sync.Client) -> None:
    end = time.monotonic() + PATIENCE
    while not client.admin.list_queues(prefix="orders/billing").queues:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_examples_run(url: str) -> None:
    assert output(url, "admin") == "0\n"
    with sync.connect(url) as client:
        with running(url, "consume") as consuming:
            wait_for_group(client)
            assert output(url, "publish") == ""
            assert consuming.stdout is not None
            assert consuming.stdout.readline() == "b'hello' 1\n"
        client.admin.purge(queue="billing")
        assert output(url, "publisher").endswith(" 2\n")
        client.admin.purge(queue="billing")
        assert output(url, "threads").count('"total":9.5') == 10
        with running(url, "worker") as working:
            assert working.stdout is not None
            assert working.stdout.readline() == "billed 9.5\n"
            working.terminate()
            rest, _ = working.communicate(timeout=PATIENCE)
            assert working.returncode == 0, rest
    assert output(url, "errors").startswith("NOT_FOUND TOPIC_NOT_FOUND")
