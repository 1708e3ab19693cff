"""A broker for tests: it keeps everything in memory and is gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

PROGRAM_VARIABLE = "FERRYMQ_PROGRAM"
_OF_CLIENTS = (PROGRAM_VARIABLE, "FERRYMQ_URL")
_START_SECONDS = 20.0
_STOP_SECONDS = 15.0
_LOOK_SECONDS = 0.01


class Broker:
    """``ferrymq serve --ephemeral``, on any free port. ``with Broker() as broker: ferrymq.connect(broker.url)``.

    `program`: else what ``FERRYMQ_PROGRAM`` names, else ``ferrymq`` on the PATH. `arguments` are further ones of ``ferrymq serve``.
    Raises FileNotFoundError without a program, RuntimeError if it does not start.
    """

    url: str
    """Of the broker."""

    def __init__(self, program: str | None = None, arguments: tuple[str, ...] = ()) -> None:
        program = program or os.environ.get(PROGRAM_VARIABLE) or shutil.which("ferrymq")
        if program is None:
            raise FileNotFoundError(f"no ferrymq on the PATH, and {PROGRAM_VARIABLE} is not set")
        with tempfile.TemporaryDirectory(prefix="ferrymq-") as directory:
            port_file = Path(directory) / "port"
            command = [program, "serve", "--ephemeral", "--listen", "127.0.0.1:0", "--port-file", str(port_file)]
            # What is set for the client is no setting of the broker. Its log goes where the test's own does.
            environment = {name: value for name, value in os.environ.items() if name not in _OF_CLIENTS}
            self._process = subprocess.Popen([*command, *arguments], stdin=subprocess.DEVNULL, env=environment)
            try:
                self.url = f"http://{self._address(port_file)}"
            except BaseException:
                self.stop()
                raise

    def _address(self, port_file: Path) -> str:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if port_file.exists() and (address := port_file.read_text(encoding="utf-8").strip()):
                return address
            if self._process.poll() is not None:
                raise RuntimeError(f"the broker ended with {self._process.returncode}")
            time.sleep(_LOOK_SECONDS)
        raise RuntimeError(f"the broker did not start within {_START_SECONDS:g} s")

    def stop(self) -> None:
        """Ends it; what it held is gone."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
