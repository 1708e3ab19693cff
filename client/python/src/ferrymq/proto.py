"""The messages of the API, for `Client.admin`: as in ``proto/ferrymq/v1``, where their comments say what each field means."""

from ferrymq.v1.admin_service_pb2 import *  # noqa: F403
from ferrymq.v1.errors_pb2 import *  # noqa: F403
from ferrymq.v1.message_pb2 import *  # noqa: F403
from ferrymq.v1.messaging_service_pb2 import *  # noqa: F403
from ferrymq.v1.operations_service_pb2 import *  # noqa: F403
from ferrymq.v1.resources_pb2 import *  # noqa: F403
from ferrymq.v1.stats_pb2 import *  # noqa: F403
