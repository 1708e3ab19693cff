"""Real servers that fork their workers: what a module made before serves in each of them."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conftest import needed

from ferrymq import Queue, sync

TESTS = Path(__file__).parent
PATIENCE = 60.0
TASKS = 40


class UnixConnection(http.client.HTTPConnection):
    """Over a socket in the file system, which needs no port."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


@contextlib.contextmanager
def serving(command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server, and sees to it that it ends when it is told to."""
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=TESTS, env={**os.environ, **environment}, start_new_session=True)
    try:
        yield process
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        # Its workers too, which may not have ended with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def request(path: Path) -> bytes:
    """The worker that answers. Waits for the server to be there."""
    end = time.monotonic() + PATIENCE
    while True:
        connection = UnixConnection(path)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read()
        except (FileNotFoundError, ConnectionRefusedError):
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.05)
        finally:
            connection.close()


def test_workers_of_gunicorn_publish_with_what_was_preloaded(url: str, queue: str, tmp_path: Path) -> None:
    needed("gunicorn")
    path = tmp_path / "socket"
    command = ["gunicorn", "--preload", "--workers=2", "--worker-class=sync", f"--bind=unix:{path}", "--log-level=warning", "gunicorn_app"]
    answers: list[bytes] = []
    end = time.monotonic() + PATIENCE
    with serving(command, FERRYMQ_URL=url, QUEUE=queue) as server, ThreadPoolExecutor(4) as pool:
        while len(set(answers)) < 2:
            assert time.monotonic() < end, "one worker answers all"
            answers += pool.map(request, [path] * 4)
        assert str(server.pid).encode() not in answers
    with sync.connect(url) as client:
        published = [delivery.payload for delivery in client.pull(Queue(queue), 10_000)]
    assert sorted(published) == sorted(answers)


def test_tasks_of_celery_publish_from_the_processes_of_its_pool(url: str, queue: str, tmp_path: Path) -> None:
    needed("celery")
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
    command = ["celery", "--app=celery_app", "worker", "--pool=prefork", "--concurrency=2", *quiet]
    environment = {"FERRYMQ_URL": url, "QUEUE": queue, "FOLDER": str(tmp_path)}
    send = f"import celery_app\nfor number in range({TASKS}): celery_app.publish.delay(number)"
    with serving(command, **environment) as server, sync.connect(url) as client:
        subprocess.run([sys.executable, "-c", send], cwd=TESTS, env={**os.environ, **environment}, check=True, timeout=PATIENCE)
        with client.subscribe(Queue(queue)) as subscriber:
            came: list[dict[str, int]] = []
            while len(came) < TASKS:
                delivery = subscriber.next(PATIENCE)
                assert delivery is not None
                came.append(delivery.json())
                delivery.ack()
    assert sorted(message["number"] for message in came) == list(range(TASKS))
    processes = {message["process"] for message in came}
    assert server.pid not in processes
