import { connect } from "ferrymq"; // bundlers take the build for browsers

const client = connect("https://broker.example.com");
await client.publish("chat", { payload: "hello" });
for await (const delivery of client.subscribe({ topic: "chat" })) {
  document.body.append(delivery.message.text());
}
