import asyncio

import ferrymq


async def main() -> None:
    async with ferrymq.connect() as client:
        await client.admin.create_topic(topic={"name": "orders"})
        await client.admin.create_queue(queue={"name": "billing"}, bindings=[{"topic": "orders"}])
        stats = await client.admin.get_stats(queues=["billing"])
        print(stats.queues["billing"].ready)


asyncio.run(main())
