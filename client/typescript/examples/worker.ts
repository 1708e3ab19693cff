import { connect, Reject } from "ferrymq";

const client = connect();
const worker = client.worker({ queue: "billing", concurrency: 16 }, async (delivery) => {
  const order = delivery.json<{ id: number; total?: number }>();
  if (order.total === undefined) {
    throw new Reject("no total"); // to the dead letters; any other error: again, later
  }
  await fetch(`https://example.com/bill/${order.id}`, { method: "POST" });
});
process.once("SIGTERM", () => worker.stop()); // ends what it began, releases the rest
await worker.done;
await client.close();
