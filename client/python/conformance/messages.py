"""Messages as the scenarios write them."""

from __future__ import annotations

from typing import Any

from ferrymq import Message, Received

FIELDS = ("attributes", "routing_key", "ordering_key", "message_id", "content_type", "correlation_id", "ttl_ms")


def listed(given: dict[str, Any]) -> list[Message]:
    """``messages``, or ``count`` with ``prefix``."""
    if "count" in given:
        return [Message(f"{given['prefix']}{number}".encode()) for number in range(given["count"])]
    return [one(message) for message in given["messages"]]


def one(given: dict[str, Any]) -> Message:
    return Message(payload(given) or b"", **{field: given[field] for field in FIELDS if field in given})


def payload(given: dict[str, Any]) -> bytes | None:
    if "payload_hex" in given:
        return bytes.fromhex(given["payload_hex"])
    if "payload_size" in given:
        return bytes(at % 251 for at in range(given["payload_size"]))
    return given["payload"].encode() if "payload" in given else None


def compare(expected: dict[str, Any], received: Received) -> None:
    """Fails if what came differs in a field that is given."""
    wanted = payload(expected)
    if wanted is not None and wanted != received.payload:
        raise AssertionError(f"payload {received.payload[:40]!r}, not {wanted[:40]!r}")
    for field in FIELDS:
        came = getattr(received.message, field)
        if field in expected and came != expected[field]:
            raise AssertionError(f"{field} is {came!r}, not {expected[field]!r}")
    for field, value in expected.get("dead_letter", {}).items():
        came = getattr(received.dead_letter, field)
        if came != value:
            raise AssertionError(f"dead_letter.{field} is {came!r}, not {value!r}")
