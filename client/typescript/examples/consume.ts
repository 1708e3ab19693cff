import { connect } from "ferrymq";

const client = connect();
for await (const delivery of client.subscribe({ topic: "orders", group: "billing", create: true })) {
  console.log(delivery.message.text(), delivery.attempt);
  delivery.ack();
}
