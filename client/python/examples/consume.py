import asyncio

import ferrymq


async def main() -> None:
    async with ferrymq.connect() as client:
        async for delivery in client.subscribe(ferrymq.Group("orders", "billing", create=True)):
            print(delivery.payload, delivery.attempt)
            delivery.ack()


asyncio.run(main())
