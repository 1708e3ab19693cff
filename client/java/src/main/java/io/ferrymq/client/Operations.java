package io.ferrymq.client;

import io.ferrymq.v1.AdminServiceGrpc;
import io.ferrymq.v1.CreateSnapshotRequest;
import io.ferrymq.v1.DeleteSnapshotRequest;
import io.ferrymq.v1.GetSnapshotRequest;
import io.ferrymq.v1.GetStatsRequest;
import io.ferrymq.v1.GetStatsResponse;
import io.ferrymq.v1.ListSnapshotsRequest;
import io.ferrymq.v1.ListSnapshotsResponse;
import io.ferrymq.v1.LogPoint;
import io.ferrymq.v1.OperationsServiceGrpc;
import io.ferrymq.v1.PauseRequest;
import io.ferrymq.v1.PeekRequest;
import io.ferrymq.v1.PeekResponse;
import io.ferrymq.v1.PurgeRequest;
import io.ferrymq.v1.QueueStats;
import io.ferrymq.v1.ResumeRequest;
import io.ferrymq.v1.SeekRequest;
import io.ferrymq.v1.SeekResponse;
import io.ferrymq.v1.Snapshot;
import io.ferrymq.v1.WatchStatsRequest;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** What is done with queues and their messages: to look, to stop, to move, to count. Part of {@link Admin}. */
public abstract sealed class Operations permits Admin {
    private final Connection connection;
    private final Set<StatsWatch> watches = ConcurrentHashMap.newKeySet();

    Operations(Connection connection) {
        this.connection = connection;
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
        ListSnapshotsRequest.Builder request = ListSnapshotsRequest.newBuilder()
                .setPageSize(Connection.PAGE_SIZE)
                .setQueue(queue);
        return connection.pages(
                AdminServiceGrpc.getListSnapshotsMethod(),
                token -> request.setPageToken(token).build(),
                ListSnapshotsResponse::getSnapshotsList,
                ListSnapshotsResponse::getNextPageToken);
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

    /**
     * The same numbers again and again, the first at once.
     *
     * @param topics their names
     * @param queues their names
     * @param interval 100 ms to 1 h
     * @return to be closed; what does not exist is {@link FerryException.NotFound} from its iterator
     */
    public StatsWatch watchStats(Collection<String> topics, Collection<String> queues, Duration interval) {
        WatchStatsRequest request = WatchStatsRequest.newBuilder()
                .addAllTopics(topics)
                .addAllQueues(queues)
                .setInterval(Durations.wire(interval))
                .build();
        StatsWatch watch =
                new StatsWatch(connection.stream(OperationsServiceGrpc.getWatchStatsMethod()), watches::remove);
        watches.add(watch);
        watch.start(request);
        return watch;
    }

    /** Ends what is being watched. */
    void close() {
        watches.forEach(StatsWatch::close);
    }
}
