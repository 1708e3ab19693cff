"""https URLs: a broker behind a proxy that ends TLS, with an authority of one's own."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import needed
from tls_proxy import tls_proxy

import ferrymq
from ferrymq import ClientOptions, Message, Queue, Tls, Unavailable

PATIENCE = 30.0
PUBLISH = """
import sys
from ferrymq import Message, Queue, sync
with sync.connect() as client:
    client.publish(Queue(sys.argv[1]), Message(b"hello"))
"""


def authority() -> Any:
    return needed("trustme").CA()


def server_context(ca: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    return context


def pem_of(ca: Any) -> bytes:
    pem: bytes = ca.cert_pem.bytes()
    return pem


def played(test: Any) -> None:
    asyncio.run(asyncio.wait_for(test, PATIENCE))


def test_a_client_that_trusts_the_authority_publishes_and_consumes(url: str, queue: str) -> None:
    async def run() -> None:
        ca = authority()
        options = ClientOptions(tls=Tls(ca=pem_of(ca)))
        async with tls_proxy(url, server_context(ca)) as secure, ferrymq.connect(secure, options) as client:
            async with client.publisher(Queue(queue)) as publisher:
                await (await publisher.publish(Message(b"hello")))
            subscriber = client.subscribe(Queue(queue))
            delivery = await subscriber.next()
            assert delivery is not None
            assert delivery.payload == b"hello"
            assert await delivery.ack() is ferrymq.SettleStatus.OK

    played(run())


def test_a_client_that_does_not_trust_it_is_told(url: str, queue: str) -> None:
    async def run() -> None:
        stranger = ClientOptions(tls=Tls(ca=pem_of(authority())))
        async with tls_proxy(url, server_context(authority())) as secure, ferrymq.connect(secure, stranger) as client:
            with pytest.raises(Unavailable, match=r"(?i)certificate"):
                await client.publish(Queue(queue), Message(b"hello"))

    played(run())


def test_a_client_shows_its_own_certificate_where_it_is_asked(url: str, queue: str) -> None:
    async def run() -> None:
        ca = authority()
        context = server_context(ca)
        context.verify_mode = ssl.CERT_REQUIRED
        ca.configure_trust(context)
        own = ca.issue_cert("orders@example.com")
        shown = Tls(pem_of(ca), own.cert_chain_pems[0].bytes(), own.private_key_pem.bytes())
        async with tls_proxy(url, context) as secure:
            async with ferrymq.connect(secure, ClientOptions(tls=shown)) as client:
                await client.publish(Queue(queue), Message(b"hello"))
            async with ferrymq.connect(secure, ClientOptions(tls=Tls(pem_of(ca)))) as nobody:
                with pytest.raises(Unavailable):
                    await nobody.publish(Queue(queue), Message(b"hello"))

    played(run())


def test_the_variable_of_grpc_names_an_authority(url: str, queue: str, tmp_path: Path) -> None:
    async def run() -> None:
        ca = authority()
        file = tmp_path / "ca.pem"
        file.write_bytes(pem_of(ca))
        async with tls_proxy(url, server_context(ca)) as secure:
            environment = {**os.environ, "FERRYMQ_URL": secure, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(file)}
            command = [sys.executable, "-c", PUBLISH, queue]
            await asyncio.to_thread(subprocess.run, command, check=True, env=environment, timeout=PATIENCE)

    played(run())
