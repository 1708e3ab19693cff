import asyncio

import ferrymq


async def main() -> None:
    async with ferrymq.connect() as client, client.publisher("orders") as publisher:
        for number in range(10_000):
            confirm = await publisher.publish(ferrymq.Message.json({"id": number}))
        result = await confirm  # the last one is on disk, and so are those before it
        print(result.position, result.queues_matched)


asyncio.run(main())
