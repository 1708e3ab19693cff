from ferrymq import Message, Queue, sync
from ferrymq.testing import Broker


def test_orders() -> None:
    with Broker() as broker, sync.connect(broker.url) as client:
        client.admin.create_queue(queue={"name": "orders"})
        client.publish(Queue("orders"), Message(b"hello"))
        assert client.pull(Queue("orders"))[0].payload == b"hello"
