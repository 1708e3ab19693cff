"""Tasks for Celery that publish a message each. Run by test_prefork.py."""

from __future__ import annotations

import os

from celery import Celery

from ferrymq import Message, Queue, sync

folder = os.environ["FOLDER"]
app = Celery("orders", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder}
# This is done before the processes of the pool are forked off.
client = sync.connect()
publisher = client.publisher(Queue(os.environ["QUEUE"]))


@app.task(name="publish", ignore_result=True)  # type: ignore[untyped-decorator]
def publish(number: int) -> None:
    publisher.publish(Message.json({"number": number, "process": os.getpid()})).result(20)
