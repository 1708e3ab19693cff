from ferrymq import Message, Queue, sync

client = sync.connect()
publisher = client.publisher("orders")  # for all threads; connects with the first publish
for number in range(1_000):
    publisher.publish(Message.json({"id": number, "total": 9.5}))
publisher.flush()  # all of them are on disk

for delivery in client.pull(Queue("billing"), max=10):
    print(delivery.payload)
    delivery.ack()
client.close()
