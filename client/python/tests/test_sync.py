"""The words of `ferrymq.sync`, against a broker."""

from __future__ import annotations

import threading

import pytest

from ferrymq import Group, Message, NotFound, Queue, Received, Reject, SettleStatus, Topic, Unavailable, sync


def test_what_is_published_comes_and_is_settled(url: str, queue: str) -> None:
    with sync.connect(url) as client, client.publisher(Queue(queue)) as publisher:
        confirms = [publisher.publish(Message.json({"number": number})) for number in range(2_500)]
        assert [confirm.result(20).queues_matched for confirm in confirms] == [1] * 2_500
        with client.subscribe(Queue(queue), prefetch=1_000) as subscriber:
            numbers = []
            for delivery in subscriber:
                numbers.append(delivery.json()["number"])
                settled = delivery.ack()
                if len(numbers) == 2_500:
                    break
            assert settled.result(20) is SettleStatus.OK
        assert numbers == list(range(2_500))
        assert client.admin.get_stats(queues=[queue]).queues[queue].acked == 2_500


def test_threads_share_a_publisher_within_its_bytes(url: str, queue: str) -> None:
    with sync.connect(url) as client, client.publisher(Queue(queue), unconfirmed_bytes=10_000) as publisher:

        def publish() -> None:
            for _ in range(200):
                publisher.publish(Message(b"x" * 500))

        threads = [threading.Thread(target=publish) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        publisher.flush()
        assert client.admin.get_stats(queues=[queue]).queues[queue].ready == 800


def test_a_wait_ends_at_its_timeout_and_may_be_repeated(url: str, queue: str) -> None:
    with sync.connect(url) as client, client.subscribe(Queue(queue)) as subscriber:
        with pytest.raises(TimeoutError):
            subscriber.next(timeout=0.05)
        client.publish(Queue(queue), Message(b"late"))
        delivery = subscriber.next(timeout=20)
        assert delivery is not None
        assert delivery.payload == b"late"
        assert delivery.reject("of no use").result(20) is SettleStatus.OK


def test_a_pull_settles_and_what_is_left_goes_back(url: str, queue: str) -> None:
    with sync.connect(url) as client:
        for number in range(3):
            client.publish(Queue(queue), Message(str(number).encode()))
        first, second, _ = client.pull(Queue(queue), 3)
        assert first.ack().result(20) is SettleStatus.OK
        assert second.retry("not now", delay=0.0).result(20) is SettleStatus.OK
    with sync.connect(url) as client:
        again = client.pull(Queue(queue), 3)
        assert sorted(delivery.payload for delivery in again) == [b"1", b"2"]
        assert {delivery.attempt for delivery in again} == {2}


def test_a_worker_runs_handlers_in_threads(url: str) -> None:
    queue = "work"
    done: list[bytes] = []

    def handle(delivery: Received) -> None:
        if delivery.payload == b"hopeless":
            raise Reject("no such order")
        if delivery.attempt == 1:
            raise ValueError("the first time")
        done.append(delivery.payload)
        assert threading.current_thread().name.startswith("ferrymq-worker")
        worker.stop()

    with sync.connect(url) as client:
        client.admin.create_queue(queue={"name": queue, "retry": {"min_backoff": {"nanos": 1_000_000}}})
        client.publish(Queue(queue), Message(b"hopeless"))
        client.publish(Queue(queue), Message(b"work"))
        worker = client.worker(Queue(queue), handle, concurrency=2)
        worker.run()
        assert done == [b"work"]
        (dead,) = client.pull(Queue(f"{queue}.dlq"), 1)
        assert dead.dead_letter is not None
        assert dead.dead_letter.description == "no such order"


def test_a_topic_is_read_and_a_group_is_made(url: str) -> None:
    with sync.connect(url) as client:
        client.admin.create_topic(topic={"name": "read"})
        with client.publisher("read") as publisher:
            for number in range(300):
                publisher.publish(Message(str(number).encode()))
        payloads = [int(delivery.payload) for delivery in client.read("read", "earliest", "latest")]
        assert payloads == list(range(300))
        with pytest.raises(NotFound, match="QUEUE_NOT_FOUND"):
            client.subscribe(Group("read", "typo")).open()
        with client.subscribe(Group("read", "all", create=True, start="earliest")) as group:
            assert next(group).payload == b"0"
        with client.subscribe(Topic("read", start="latest")) as broadcast:
            broadcast.open()
            client.publish("read", Message(b"now"))
            assert next(broadcast).payload == b"now"


def test_nothing_works_after_close(url: str, queue: str) -> None:
    client = sync.connect(url)
    publisher = client.publisher(Queue(queue))
    publisher.publish(Message(b"x"))
    publisher.close()
    with pytest.raises(Unavailable):
        publisher.publish(Message(b"y"))
    client.close()
    with pytest.raises(Unavailable):
        client.publish(Queue(queue), Message(b"y"))
