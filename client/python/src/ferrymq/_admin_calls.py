"""The calls of administration: their paths, and the types of what goes and comes."""

from __future__ import annotations

from ferrymq._calls import Call
from ferrymq.v1 import admin_service_pb2 as admin
from ferrymq.v1 import operations_service_pb2 as operations

CREATE_TOPIC = Call("AdminService/CreateTopic", admin.CreateTopicRequest, admin.CreateTopicResponse)
GET_TOPIC = Call("AdminService/GetTopic", admin.GetTopicRequest, admin.GetTopicResponse)
LIST_TOPICS = Call("AdminService/ListTopics", admin.ListTopicsRequest, admin.ListTopicsResponse)
UPDATE_TOPIC = Call("AdminService/UpdateTopic", admin.UpdateTopicRequest, admin.UpdateTopicResponse)
DELETE_TOPIC = Call("AdminService/DeleteTopic", admin.DeleteTopicRequest, admin.DeleteTopicResponse)
CREATE_QUEUE = Call("AdminService/CreateQueue", admin.CreateQueueRequest, admin.CreateQueueResponse)
GET_QUEUE = Call("AdminService/GetQueue", admin.GetQueueRequest, admin.GetQueueResponse)
LIST_QUEUES = Call("AdminService/ListQueues", admin.ListQueuesRequest, admin.ListQueuesResponse)
UPDATE_QUEUE = Call("AdminService/UpdateQueue", admin.UpdateQueueRequest, admin.UpdateQueueResponse)
DELETE_QUEUE = Call("AdminService/DeleteQueue", admin.DeleteQueueRequest, admin.DeleteQueueResponse)
CREATE_BINDING = Call("AdminService/CreateBinding", admin.CreateBindingRequest, admin.CreateBindingResponse)
GET_BINDING = Call("AdminService/GetBinding", admin.GetBindingRequest, admin.GetBindingResponse)
LIST_BINDINGS = Call("AdminService/ListBindings", admin.ListBindingsRequest, admin.ListBindingsResponse)
DELETE_BINDING = Call("AdminService/DeleteBinding", admin.DeleteBindingRequest, admin.DeleteBindingResponse)
CREATE_SNAPSHOT = Call("AdminService/CreateSnapshot", admin.CreateSnapshotRequest, admin.CreateSnapshotResponse)
GET_SNAPSHOT = Call("AdminService/GetSnapshot", admin.GetSnapshotRequest, admin.GetSnapshotResponse)
LIST_SNAPSHOTS = Call("AdminService/ListSnapshots", admin.ListSnapshotsRequest, admin.ListSnapshotsResponse)
DELETE_SNAPSHOT = Call("AdminService/DeleteSnapshot", admin.DeleteSnapshotRequest, admin.DeleteSnapshotResponse)
EXPORT_DEFINITIONS = Call("AdminService/ExportDefinitions", admin.ExportDefinitionsRequest, admin.ExportDefinitionsResponse)
APPLY_DEFINITIONS = Call("AdminService/ApplyDefinitions", admin.ApplyDefinitionsRequest, admin.ApplyDefinitionsResponse)
PEEK = Call("OperationsService/Peek", operations.PeekRequest, operations.PeekResponse)
PURGE = Call("OperationsService/Purge", operations.PurgeRequest, operations.PurgeResponse)
SEEK = Call("OperationsService/Seek", operations.SeekRequest, operations.SeekResponse)
PAUSE = Call("OperationsService/Pause", operations.PauseRequest, operations.PauseResponse)
RESUME = Call("OperationsService/Resume", operations.ResumeRequest, operations.ResumeResponse)
REDRIVE = Call("OperationsService/Redrive", operations.RedriveRequest, operations.RedriveResponse)
MOVE_MESSAGES = Call("OperationsService/MoveMessages", operations.MoveMessagesRequest, operations.MoveMessagesResponse)
DELETE_MESSAGES = Call("OperationsService/DeleteMessages", operations.DeleteMessagesRequest, operations.DeleteMessagesResponse)
LIST_SCHEDULED = Call("OperationsService/ListScheduled", operations.ListScheduledRequest, operations.ListScheduledResponse)
GET_JOB = Call("OperationsService/GetJob", operations.GetJobRequest, operations.GetJobResponse)
LIST_JOBS = Call("OperationsService/ListJobs", operations.ListJobsRequest, operations.ListJobsResponse)
CANCEL_JOB = Call("OperationsService/CancelJob", operations.CancelJobRequest, operations.CancelJobResponse)
GET_STATS = Call("OperationsService/GetStats", operations.GetStatsRequest, operations.GetStatsResponse)
LIST_CONSUMERS = Call("OperationsService/ListConsumers", operations.ListConsumersRequest, operations.ListConsumersResponse)
LIST_CONNECTIONS = Call("OperationsService/ListConnections", operations.ListConnectionsRequest, operations.ListConnectionsResponse)
CLOSE_CONNECTION = Call("OperationsService/CloseConnection", operations.CloseConnectionRequest, operations.CloseConnectionResponse)
