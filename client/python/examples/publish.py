import asyncio

import ferrymq


async def main() -> None:
    async with ferrymq.connect() as client:
        await client.publish("orders", ferrymq.Message(b"hello", routing_key="eu.created"))


asyncio.run(main())
