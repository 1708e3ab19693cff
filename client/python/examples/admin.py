import asyncio

import ferrymq


async def main() -> None:
    async with ferrymq.connect() as client:
        await client.admin.create_topic(topic={"name": "orders"})
        queue = {"name": "billing", "retry": {"max_attempts": 5}}
        await client.admin.create_queue(queue=queue, bindings=[{"topic": "orders", "pattern": "#"}])
        stats = await client.admin.get_stats(queues=["billing"])
        print(stats.queues["billing"].ready)


asyncio.run(main())
