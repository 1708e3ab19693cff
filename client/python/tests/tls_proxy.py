"""What stands in front of a broker for TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

CHUNK_BYTES = 64 << 10


@contextlib.asynccontextmanager
async def tls_proxy(url: str, context: ssl.SSLContext) -> AsyncIterator[str]:
    """Takes HTTP/2 over TLS on any port of localhost, and passes it to a broker. Gives its URL."""
    broker = urlsplit(url)
    context.set_alpn_protocols(["h2"])
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        there, back = await asyncio.open_connection(broker.hostname, broker.port)
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        writer.close()
        back.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in open_now:
            task.cancel()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    writer.close()
