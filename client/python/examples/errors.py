import asyncio

import ferrymq


async def main() -> None:
    async with ferrymq.connect() as client:
        try:
            await client.publish("nowhere", ferrymq.Message(b"hello"))
        except ferrymq.NotFound as error:
            print(error.code, error.reason, error.metadata)
        except (ferrymq.Unavailable, ferrymq.Timeout) as error:
            print("may or may not be stored; again in", error.retry_after)


asyncio.run(main())
