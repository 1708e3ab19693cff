"""Messages from and to every language."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from messages import compare, one
from scene import within
from steps import settle_all, take

import ferrymq
from ferrymq import Group


def read(file: str) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    return vectors


async def send(url: str, topic: str, language: str, file: str) -> None:
    async with ferrymq.connect(url) as client, client.publisher(topic) as publisher:
        confirms = []
        for vector in read(file):
            message = one(vector)
            message.attributes["from"] = language
            confirms.append(await publisher.publish(message))
        for confirm in confirms:
            await within("a confirm", confirm)


async def expect(url: str, topic: str, group: str, file: str, languages: list[str]) -> None:
    vectors = read(file)
    seen: Counter[str] = Counter()
    source = Group(topic, group, create=True, start="earliest")
    async with ferrymq.connect(url) as client, client.subscribe(source) as subscriber:
        for _ in range(len(vectors) * len(languages)):
            delivery = await take(subscriber)
            language = delivery.message.attributes.pop("from")
            try:
                compare(vectors[seen[language]], delivery)
            except (AssertionError, IndexError) as why:
                raise AssertionError(f"vector {seen[language]} from {language}: {why}") from why
            seen[language] += 1
            await settle_all([delivery], "ack")
    if seen != dict.fromkeys(languages, len(vectors)):
        raise AssertionError(f"came: {seen}")
