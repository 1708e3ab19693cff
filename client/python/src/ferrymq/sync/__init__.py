"""FerryMQ from threads: the words of `ferrymq`, each call waiting for its answer.

One event loop in a thread of its own serves all clients of a process. It is begun by the first call, in each process anew, so that what
was made before a fork (gunicorn with preload, Celery) works in every child.
"""

from ferrymq.sync._outcomes import Confirm, Settled
from ferrymq.sync.admin import Admin
from ferrymq.sync.client import Client, connect
from ferrymq.sync.publisher import Publisher
from ferrymq.sync.subscriber import Delivery, Subscriber
from ferrymq.sync.worker import Worker

__all__ = ["Admin", "Client", "Confirm", "Delivery", "Publisher", "Settled", "Subscriber", "Worker", "connect"]
