import { connect, FerryError, NotFoundError } from "ferrymq";

const client = connect();
try {
  await client.publish("orders", { payload: "hello" });
} catch (error) {
  if (error instanceof NotFoundError) {
    await client.admin.createTopic({ topic: { name: "orders" } });
  } else if (error instanceof FerryError) {
    console.error(error.code, error.reason, error.metadata, error.violations, error.retryAfterMs);
  }
}
