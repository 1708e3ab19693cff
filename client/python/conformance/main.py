"""The Python client's runner of the conformance scenarios: see tests/conformance/README.md."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import Any

import bench
import steps
import vectors
from scene import Scene

USAGE = "usage: scenarios FILE | send URL TOPIC LANG FILE | expect URL TOPIC GROUP FILE LANG... | bench URL NOOP_URL SECONDS"


async def play(scenario: dict[str, Any]) -> None:
    async with Scene(durable=scenario.get("durable", False)) as scene:
        for number, step in enumerate(scenario["steps"], 1):
            ((verb, given),) = step.items()
            try:
                await steps.STEPS[verb](scene, given)
            except Exception as why:
                raise RuntimeError(f"step {number} ({verb}): {type(why).__name__}: {why}") from why


async def scenarios(file: str) -> bool:
    all_ok = True
    for scenario in vectors.read(file):
        line = {"scenario": scenario["scenario"], "ok": True}
        try:
            await play(scenario)
        except Exception as why:
            all_ok = False
            line |= {"ok": False, "error": str(why)}
        print(json.dumps(line), flush=True)
    return all_ok


async def run(arguments: list[str]) -> bool:
    match arguments:
        case ["scenarios", file]:
            return await scenarios(file)
        case ["send", url, topic, language, file]:
            await vectors.send(url, topic, language, file)
        case ["expect", url, topic, group, file, *languages]:
            await vectors.expect(url, topic, group, file, languages)
        case ["bench", url, noop_url, seconds]:
            await bench.run(url, noop_url, float(seconds))
        case _:
            print(USAGE, file=sys.stderr)
            return False
    return True


if __name__ == "__main__":
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "ERROR"))
    sys.exit(0 if asyncio.run(run(sys.argv[1:])) else 1)
