import { connect, Message } from "ferrymq";

const client = connect();
const publisher = client.publisher("orders");
for (let id = 0; id < 10_000; id++) {
  await publisher.publish(Message.json({ id }, { routingKey: "eu.created" }));
}
await publisher.flush(); // all of them are on disk
await client.close();
