"""Uses a broker with nothing but grpcio and the stubs that grpc_tools generates: plain_stub.py ADDRESS.

Publishes, subscribes as a new group, acks one message, rejects the other, and finds that one in the dead-letter queue.
"""

import sys

import grpc
from ferrymq.v1.admin_service_pb2 import CreateTopicRequest
from ferrymq.v1.admin_service_pb2_grpc import AdminServiceStub
from ferrymq.v1.message_pb2 import DEAD_LETTER_REASON_REJECTED, LOG_EDGE_EARLIEST, LogPoint, Message
from ferrymq.v1.messaging_service_pb2 import (
    NACK_MODE_REJECT,
    SETTLE_STATUS_OK,
    AckRequest,
    NackRequest,
    PublishRequest,
    PullRequest,
    SubscribeRequest,
)
from ferrymq.v1.messaging_service_pb2_grpc import MessagingServiceStub
from ferrymq.v1.resources_pb2 import Topic

TIMEOUT = 20


def consume(stub):
    """Settles the two messages of the group and returns their payloads in order."""
    request = SubscribeRequest(
        topic="orders", group="billing", create_if_missing=True, start=LogPoint(edge=LOG_EDGE_EARLIEST)
    )
    responses = stub.Subscribe(request, timeout=TIMEOUT)
    seen = []
    for response in responses:
        for delivery in response.deliveries:
            assert delivery.attempt == 1, delivery
            seen.append(delivery.message.payload)
            ids = [delivery.ack_id]
            if delivery.message.payload == b"bad":
                settled = stub.Nack(NackRequest(ack_ids=ids, mode=NACK_MODE_REJECT, reason="cannot read it"))
            else:
                settled = stub.Ack(AckRequest(ack_ids=ids))
            assert list(settled.statuses) == [SETTLE_STATUS_OK], settled
        if len(seen) >= 2:
            responses.cancel()
            break
    return seen


def main(address):
    with grpc.insecure_channel(address) as channel:
        created = AdminServiceStub(channel).CreateTopic(CreateTopicRequest(topic=Topic(name="orders")), timeout=TIMEOUT)
        assert created.created, created
        stub = MessagingServiceStub(channel)
        messages = [Message(payload=b"hello"), Message(payload=b"bad")]
        confirmed = stub.Publish(PublishRequest(topic="orders", messages=messages), timeout=TIMEOUT)
        assert len(confirmed.results) == 2, confirmed
        assert consume(stub) == [b"hello", b"bad"]

        dead = stub.Pull(PullRequest(queue="orders/billing.dlq", max_messages=10), timeout=TIMEOUT).deliveries
        assert [d.message.payload for d in dead] == [b"bad"], dead
        letter = dead[0].dead_letter
        assert letter.reason == DEAD_LETTER_REASON_REJECTED and letter.description == "cannot read it", letter
        assert list(stub.Ack(AckRequest(ack_ids=[dead[0].ack_id]), timeout=TIMEOUT).statuses) == [SETTLE_STATUS_OK]


if __name__ == "__main__":
    main(sys.argv[1])
