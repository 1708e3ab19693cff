import asyncio
import signal

import ferrymq


async def handle(delivery: ferrymq.Received) -> None:
    order = delivery.json()
    if "total" not in order:
        raise ferrymq.Reject("no total")  # to the dead letters; any other error: again, later
    print("billed", order["total"])


async def main() -> None:
    async with ferrymq.connect() as client:
        worker = client.worker(ferrymq.Queue("billing"), handle, concurrency=16)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        await worker.run()


asyncio.run(main())
