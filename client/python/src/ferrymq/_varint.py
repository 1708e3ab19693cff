"""The parts of the wire format that are put together by hand."""

from __future__ import annotations

from functools import lru_cache

# Message.payload and PublishRequest.messages: tags of the fields, by number and wire type.
_PAYLOAD = b"\x0a"
_MESSAGE = b"\x22"


def varint(value: int) -> bytes:
    """A number from 0."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@lru_cache(maxsize=4096)
def payload_prefix(size: int) -> bytes:
    """What goes before a payload in a message."""
    return _PAYLOAD + varint(size)


@lru_cache(maxsize=4096)
def message_prefix(size: int) -> bytes:
    """What goes before an encoded message in a batch."""
    return _MESSAGE + varint(size)
