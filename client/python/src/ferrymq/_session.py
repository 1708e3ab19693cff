"""The connection of a client, made anew in each process and event loop that uses it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc
import grpc.aio
from google.protobuf.message import Message as ProtoMessage

from ferrymq._signal import cancel
from ferrymq.errors import error_of, from_rpc, invalid, unavailable
from ferrymq.settings import ClientOptions

DEFAULT_URL = "http://127.0.0.1:7171"
_URL_VARIABLE = "FERRYMQ_URL"
# Between attempts of the channel itself: short, as publishers and subscribers have pauses of their own.
_CHANNEL_PAUSE_MS = 100
_CHANNEL_PAUSE_MAX_MS = 1_000

EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined,unused-ignore]
"""What reading a stream gives at its end."""
Stream = Any
"""A grpc.aio call; its types are not generic in all versions that are supported."""
Response = TypeVar("Response", bound=ProtoMessage)


class _Process:
    """Whether gRPC can be used in this process: it does not survive a fork once it is at work, so a child would hang or abort."""

    def __init__(self) -> None:
        self._has_connected = False
        self._is_spoilt = False
        os.register_at_fork(after_in_child=self._forked)

    def connect(self) -> None:
        """It is at work from now on. Raises `FailedPrecondition` where it cannot be."""
        if self._is_spoilt:
            raise error_of(
                "FAILED_PRECONDITION",
                "this process was forked off after its parent had connected, which gRPC does not survive: connect in the children only",
            )
        self._has_connected = True

    def _forked(self) -> None:
        self._is_spoilt = self._has_connected


_process = _Process()


class Session:
    """Connects when it is first needed, in the process that needs it, and again in another event loop.

    What belongs to another process or loop is left alone: its sockets and threads are not this one's to close.
    """

    def __init__(self, url: str | None, options: ClientOptions) -> None:
        self.url = url or os.environ.get(_URL_VARIABLE) or DEFAULT_URL
        self._target, self._is_secure = _parse(self.url)
        self._options = options
        self._channel: Any = None
        self._owner: tuple[int, asyncio.AbstractEventLoop] | None = None
        self._is_closed = False
        self._reading: set[asyncio.Task[Any]] = set()
        """Of answers that come one after the other."""

    async def call(self, path: str, request: ProtoMessage, response: type[Response], timeout: float) -> Response:
        """One call that is no stream."""
        method = self._connected().unary_unary(
            path, request_serializer=type(request).SerializeToString, response_deserializer=response.FromString
        )
        try:
            answer: Response = await method(request, timeout=timeout)
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        except grpc.aio.UsageError:
            raise _closed() from None
        return answer

    def stream(self, path: str, serializer: Callable[[Any], bytes] | None, response: type[ProtoMessage]) -> Stream:
        """A stream in both directions. Without a serializer, requests are bytes."""
        method = self._connected().stream_stream(path, request_serializer=serializer, response_deserializer=response.FromString)
        return method()

    async def answers(self, path: str, request: ProtoMessage, response: type[Response]) -> AsyncGenerator[Response, None]:
        """The answers to one request, as they come."""
        method = self._connected().unary_stream(
            path, request_serializer=type(request).SerializeToString, response_deserializer=response.FromString
        )
        stream = method(request)
        try:
            while (answer := await self._next_of(stream)) is not EOF:
                yield answer
        finally:
            stream.cancel()

    async def _next_of(self, stream: Stream) -> Any:
        """Reads, in a task of its own: that one is cancelled when the client is closed, and who waits is not."""
        reading = asyncio.get_running_loop().create_task(stream.read())
        self._reading.add(reading)
        try:
            await asyncio.wait([reading])
        finally:
            self._reading.discard(reading)
            reading.cancel()
        if reading.cancelled():
            raise _closed()
        return await rpc(reading)

    async def close(self) -> None:
        """Ends the connection; what is still open on it fails."""
        self._is_closed = True
        if self._owner == _here():
            # While the connection is there: old versions of gRPC wait for the end of what is read.
            await cancel(self._reading)
        channel, self._channel = self._channel, None
        if channel is not None and self._owner == _here():
            await channel.close()

    def _connected(self) -> Any:
        if self._is_closed:
            raise _closed()
        if self._channel is None or self._owner != _here():
            self._channel = self._connect()
            self._owner = _here()
        return self._channel

    def _connect(self) -> Any:
        _process.connect()
        options = _channel_options(self._options)
        if self._is_secure:
            tls = self._options.tls
            return grpc.aio.secure_channel(self._target, grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate), options=options)
        return grpc.aio.insecure_channel(self._target, options=options)


async def rpc(awaitable: Awaitable[Any]) -> Any:
    """Awaits something of a stream, with errors as this package has them."""
    try:
        return await awaitable
    except grpc.RpcError as error:
        raise from_rpc(error) from None
    except (asyncio.InvalidStateError, grpc.aio.UsageError):
        raise unavailable("the stream has ended") from None


def _here() -> tuple[int, asyncio.AbstractEventLoop]:
    return os.getpid(), asyncio.get_running_loop()


def _closed() -> Exception:
    return unavailable("the client is closed")


def _parse(url: str) -> tuple[str, bool]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid("url", f"http://HOST:PORT or https://HOST:PORT, not {url!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_secure = parts.scheme == "https"
    return f"{host}:{parts.port or (443 if is_secure else 80)}", is_secure


def _channel_options(options: ClientOptions) -> list[tuple[str, Any]]:
    return [
        ("grpc.primary_user_agent", "ferrymq-python"),
        ("grpc.max_receive_message_length", options.max_response_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.keepalive_time_ms", round(options.keepalive * 1000)),
        ("grpc.keepalive_timeout_ms", round(options.keepalive_timeout * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", _CHANNEL_PAUSE_MS),
        ("grpc.max_reconnect_backoff_ms", _CHANNEL_PAUSE_MAX_MS),
        ("grpc.min_reconnect_backoff_ms", round(options.connect_timeout * 1000)),
        # A connection of its own for each client, and none that a parent process had.
        ("grpc.use_local_subchannel_pool", 1),
    ]
