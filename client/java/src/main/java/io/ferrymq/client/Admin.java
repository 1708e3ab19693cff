package io.ferrymq.client;

import com.google.protobuf.FieldMask;
import io.ferrymq.v1.AdminServiceGrpc;
import io.ferrymq.v1.Binding;
import io.ferrymq.v1.CreateBindingRequest;
import io.ferrymq.v1.CreateBindingResponse;
import io.ferrymq.v1.CreateQueueRequest;
import io.ferrymq.v1.CreateQueueResponse;
import io.ferrymq.v1.CreateSnapshotRequest;
import io.ferrymq.v1.CreateTopicRequest;
import io.ferrymq.v1.CreateTopicResponse;
import io.ferrymq.v1.DeleteBindingRequest;
import io.ferrymq.v1.DeleteQueueRequest;
import io.ferrymq.v1.DeleteQueueResponse;
import io.ferrymq.v1.DeleteSnapshotRequest;
import io.ferrymq.v1.DeleteTopicRequest;
import io.ferrymq.v1.GetBindingRequest;
import io.ferrymq.v1.GetQueueRequest;
import io.ferrymq.v1.GetSnapshotRequest;
import io.ferrymq.v1.GetStatsRequest;
import io.ferrymq.v1.GetStatsResponse;
import io.ferrymq.v1.GetTopicRequest;
import io.ferrymq.v1.ListBindingsRequest;
import io.ferrymq.v1.ListBindingsResponse;
import io.ferrymq.v1.ListQueuesRequest;
import io.ferrymq.v1.ListQueuesResponse;
import io.ferrymq.v1.ListSnapshotsRequest;
import io.ferrymq.v1.ListSnapshotsResponse;
import io.ferrymq.v1.ListTopicsRequest;
import io.ferrymq.v1.ListTopicsResponse;
import io.ferrymq.v1.LogPoint;
import io.ferrymq.v1.OperationsServiceGrpc;
import io.ferrymq.v1.PauseRequest;
import io.ferrymq.v1.PeekRequest;
import io.ferrymq.v1.PeekResponse;
import io.ferrymq.v1.PurgeRequest;
import io.ferrymq.v1.Queue;
import io.ferrymq.v1.QueueStats;
import io.ferrymq.v1.ResourceView;
import io.ferrymq.v1.ResumeRequest;
import io.ferrymq.v1.SeekRequest;
import io.ferrymq.v1.SeekResponse;
import io.ferrymq.v1.Snapshot;
import io.ferrymq.v1.Topic;
import io.ferrymq.v1.UpdateQueueRequest;
import io.ferrymq.v1.UpdateTopicRequest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;

/** Topics, queues, bindings, snapshots, stats: one call each, which waits for the answer and fails with a {@link FerryException}. */
public final class Admin {
    /** The most that the broker puts on one page. */
    private static final int PAGE_SIZE = 1000;

    private final Connection connection;

    Admin(Connection connection) {
        this.connection = connection;
    }

    /**
     * Makes a topic.
     *
     * @param topic its name and settings
     * @return the topic; {@code created} is false if it had been there, the same
     */
    public CreateTopicResponse createTopic(Topic topic) {
        return connection.ask(
                AdminServiceGrpc.getCreateTopicMethod(),
                CreateTopicRequest.newBuilder().setTopic(topic).build());
    }

    /**
     * Makes a topic with the defaults.
     *
     * @param name its name
     * @return the topic; {@code created} is false if it had been there, the same
     */
    public CreateTopicResponse createTopic(String name) {
        return createTopic(Topic.newBuilder().setName(name).build());
    }

    /**
     * A topic with its settings and stats.
     *
     * @param name its name
     * @return the topic
     */
    public Topic getTopic(String name) {
        GetTopicRequest request = GetTopicRequest.newBuilder()
                .setName(name)
                .setView(ResourceView.RESOURCE_VIEW_FULL)
                .build();
        return connection.ask(AdminServiceGrpc.getGetTopicMethod(), request).getTopic();
    }

    /**
     * Topics by the beginning of their names, with their settings.
     *
     * @param prefix empty for all
     * @return all of them, by name
     */
    public List<Topic> listTopics(String prefix) {
        List<Topic> all = new ArrayList<>();
        ListTopicsRequest.Builder request =
                ListTopicsRequest.newBuilder().setPageSize(PAGE_SIZE).setPrefix(prefix);
        ListTopicsResponse page;
        do {
            page = connection.ask(AdminServiceGrpc.getListTopicsMethod(), request.build());
            all.addAll(page.getTopicsList());
            request.setPageToken(page.getNextPageToken());
        } while (!page.getNextPageToken().isEmpty());
        return all;
    }

    /**
     * Changes settings of a topic.
     *
     * @param topic its name and the new settings
     * @param mask which fields of it, e.g. {@code retention}
     * @return as it is now
     */
    public Topic updateTopic(Topic topic, String... mask) {
        UpdateTopicRequest request = UpdateTopicRequest.newBuilder()
                .setTopic(topic)
                .setUpdateMask(mask(mask))
                .build();
        return connection.ask(AdminServiceGrpc.getUpdateTopicMethod(), request).getTopic();
    }

    /**
     * Deletes a topic.
     *
     * @param name its name
     * @param force also while queues are bound to it
     * @return false if it was not there
     */
    public boolean deleteTopic(String name, boolean force) {
        DeleteTopicRequest request = DeleteTopicRequest.newBuilder()
                .setName(name)
                .setForce(force)
                .setAllowMissing(true)
                .build();
        return connection.ask(AdminServiceGrpc.getDeleteTopicMethod(), request).getDeleted();
    }

    /**
     * Makes a queue and its bindings in one commit.
     *
     * @param queue its name and settings
     * @param bindings what it gets; the queue in them may be left out
     * @return the queue; {@code created} is false if it had been there, the same
     */
    public CreateQueueResponse createQueue(Queue queue, Binding... bindings) {
        CreateQueueRequest request = CreateQueueRequest.newBuilder()
                .setQueue(queue)
                .addAllBindings(List.of(bindings))
                .build();
        return connection.ask(AdminServiceGrpc.getCreateQueueMethod(), request);
    }

    /**
     * Makes a queue with the defaults that gets all of some topics.
     *
     * @param name its name
     * @param topics of which it gets all; none for only what is sent straight to it
     * @return the queue; {@code created} is false if it had been there, the same
     */
    public CreateQueueResponse createQueue(String name, String... topics) {
        Binding[] bindings = Arrays.stream(topics)
                .map(topic -> Binding.newBuilder().setTopic(topic).build())
                .toArray(Binding[]::new);
        return createQueue(Queue.newBuilder().setName(name).build(), bindings);
    }

    /**
     * A queue with its settings, bindings and stats.
     *
     * @param name its name
     * @return the queue
     */
    public Queue getQueue(String name) {
        GetQueueRequest request = GetQueueRequest.newBuilder()
                .setName(name)
                .setView(ResourceView.RESOURCE_VIEW_FULL)
                .build();
        return connection.ask(AdminServiceGrpc.getGetQueueMethod(), request).getQueue();
    }

    /**
     * Queues by the beginning of their names, with their settings.
     *
     * @param prefix empty for all
     * @return all of them, by name
     */
    public List<Queue> listQueues(String prefix) {
        List<Queue> all = new ArrayList<>();
        ListQueuesRequest.Builder request =
                ListQueuesRequest.newBuilder().setPageSize(PAGE_SIZE).setPrefix(prefix);
        ListQueuesResponse page;
        do {
            page = connection.ask(AdminServiceGrpc.getListQueuesMethod(), request.build());
            all.addAll(page.getQueuesList());
            request.setPageToken(page.getNextPageToken());
        } while (!page.getNextPageToken().isEmpty());
        return all;
    }

    /**
     * Changes settings of a queue.
     *
     * @param queue its name and the new settings
     * @param mask which fields of it, e.g. {@code retry.max_attempts}
     * @return as it is now
     */
    public Queue updateQueue(Queue queue, String... mask) {
        UpdateQueueRequest request = UpdateQueueRequest.newBuilder()
                .setQueue(queue)
                .setUpdateMask(mask(mask))
                .build();
        return connection.ask(AdminServiceGrpc.getUpdateQueueMethod(), request).getQueue();
    }

    /**
     * Deletes a queue.
     *
     * @param name its name
     * @param force also with consumers or messages
     * @return whether it was there, and what went with it
     */
    public DeleteQueueResponse deleteQueue(String name, boolean force) {
        DeleteQueueRequest request = DeleteQueueRequest.newBuilder()
                .setName(name)
                .setForce(force)
                .setAllowMissing(true)
                .build();
        return connection.ask(AdminServiceGrpc.getDeleteQueueMethod(), request);
    }

    /**
     * Binds a topic to a queue or to another topic.
     *
     * @param binding both, with a pattern or filter
     * @return the binding with its name; {@code created} is false if it had been there
     */
    public CreateBindingResponse createBinding(Binding binding) {
        return connection.ask(
                AdminServiceGrpc.getCreateBindingMethod(),
                CreateBindingRequest.newBuilder().setBinding(binding).build());
    }

    /**
     * A binding.
     *
     * @param name its name
     * @return the binding
     */
    public Binding getBinding(String name) {
        return connection
                .ask(
                        AdminServiceGrpc.getGetBindingMethod(),
                        GetBindingRequest.newBuilder().setName(name).build())
                .getBinding();
    }

    /**
     * Bindings from a topic to a queue.
     *
     * @param topic empty for any
     * @param queue empty for any
     * @return all of them, by name
     */
    public List<Binding> listBindings(String topic, String queue) {
        List<Binding> all = new ArrayList<>();
        ListBindingsRequest.Builder request = ListBindingsRequest.newBuilder()
                .setPageSize(PAGE_SIZE)
                .setTopic(topic)
                .setQueue(queue);
        ListBindingsResponse page;
        do {
            page = connection.ask(AdminServiceGrpc.getListBindingsMethod(), request.build());
            all.addAll(page.getBindingsList());
            request.setPageToken(page.getNextPageToken());
        } while (!page.getNextPageToken().isEmpty());
        return all;
    }

    /**
     * Deletes a binding; what the queue had received through it stays.
     *
     * @param name its name
     * @return false if it was not there
     */
    public boolean deleteBinding(String name) {
        DeleteBindingRequest request = DeleteBindingRequest.newBuilder()
                .setName(name)
                .setAllowMissing(true)
                .build();
        return connection
                .ask(AdminServiceGrpc.getDeleteBindingMethod(), request)
                .getDeleted();
    }

    /**
     * Takes a snapshot of a queue's progress, to seek to.
     *
     * @param snapshot its name, the queue, how long it is kept
     * @return as it was taken
     */
    public Snapshot createSnapshot(Snapshot snapshot) {
        return connection
                .ask(
                        AdminServiceGrpc.getCreateSnapshotMethod(),
                        CreateSnapshotRequest.newBuilder().setSnapshot(snapshot).build())
                .getSnapshot();
    }

    /**
     * A snapshot.
     *
     * @param name its name
     * @return the snapshot
     */
    public Snapshot getSnapshot(String name) {
        return connection
                .ask(
                        AdminServiceGrpc.getGetSnapshotMethod(),
                        GetSnapshotRequest.newBuilder().setName(name).build())
                .getSnapshot();
    }

    /**
     * Snapshots of a queue.
     *
     * @param queue empty for any
     * @return all of them, by name
     */
    public List<Snapshot> listSnapshots(String queue) {
        List<Snapshot> all = new ArrayList<>();
        ListSnapshotsRequest.Builder request =
                ListSnapshotsRequest.newBuilder().setPageSize(PAGE_SIZE).setQueue(queue);
        ListSnapshotsResponse page;
        do {
            page = connection.ask(AdminServiceGrpc.getListSnapshotsMethod(), request.build());
            all.addAll(page.getSnapshotsList());
            request.setPageToken(page.getNextPageToken());
        } while (!page.getNextPageToken().isEmpty());
        return all;
    }

    /**
     * Deletes a snapshot; what only it needed is kept no more.
     *
     * @param name its name
     * @return false if it was not there
     */
    public boolean deleteSnapshot(String name) {
        DeleteSnapshotRequest request = DeleteSnapshotRequest.newBuilder()
                .setName(name)
                .setAllowMissing(true)
                .build();
        return connection
                .ask(AdminServiceGrpc.getDeleteSnapshotMethod(), request)
                .getDeleted();
    }

    /**
     * Looks at messages without taking them: one page.
     *
     * @param request of which queue or topic, and from where
     * @return the page
     */
    public PeekResponse peek(PeekRequest request) {
        return connection.ask(OperationsServiceGrpc.getPeekMethod(), request);
    }

    /**
     * Drops what waits in a queue; what consumers hold stays.
     *
     * @param queue the queue's name
     * @return how many messages that were
     */
    public long purge(String queue) {
        return connection
                .ask(
                        OperationsServiceGrpc.getPurgeMethod(),
                        PurgeRequest.newBuilder().setQueue(queue).build())
                .getMessages();
    }

    /**
     * Stops deliveries of a queue; publishing and settling go on.
     *
     * @param queue the queue's name
     */
    public void pause(String queue) {
        connection.ask(
                OperationsServiceGrpc.getPauseMethod(),
                PauseRequest.newBuilder().setQueue(queue).build());
    }

    /**
     * Starts deliveries of a queue again.
     *
     * @param queue the queue's name
     */
    public void resume(String queue) {
        connection.ask(
                OperationsServiceGrpc.getResumeMethod(),
                ResumeRequest.newBuilder().setQueue(queue).build());
    }

    /**
     * Moves a queue's progress, back (replay) or forward (skip).
     *
     * @param queue the queue's name
     * @param to see {@link Points}
     * @return what is ready then, and whether some of it is kept no more
     */
    public SeekResponse seek(String queue, LogPoint to) {
        return connection.ask(
                OperationsServiceGrpc.getSeekMethod(),
                SeekRequest.newBuilder().setQueue(queue).setTo(to).build());
    }

    /**
     * Numbers of the broker, and of the topics and queues that are named.
     *
     * @param topics their names
     * @param queues their names
     * @return at one moment
     */
    public GetStatsResponse stats(Collection<String> topics, Collection<String> queues) {
        GetStatsRequest request = GetStatsRequest.newBuilder()
                .addAllTopics(topics)
                .addAllQueues(queues)
                .build();
        return connection.ask(OperationsServiceGrpc.getGetStatsMethod(), request);
    }

    /**
     * Numbers of one queue.
     *
     * @param queue the queue's name
     * @return at one moment
     */
    public QueueStats queueStats(String queue) {
        return stats(List.of(), List.of(queue)).getQueuesOrThrow(queue);
    }

    private static FieldMask mask(String... fields) {
        return FieldMask.newBuilder().addAllPaths(List.of(fields)).build();
    }
}
