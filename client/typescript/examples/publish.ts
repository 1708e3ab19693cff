import { connect } from "ferrymq";

const client = connect();
await client.publish("orders", { payload: "hello", routingKey: "eu.created" });
await client.close();
