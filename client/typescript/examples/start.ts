import { connect } from "ferrymq";

const client = connect();
await client.admin.createTopic({ topic: { name: "orders" } });
await client.admin.createQueue({ queue: { name: "billing" }, bindings: [{ topic: "orders" }] });
await client.close();
