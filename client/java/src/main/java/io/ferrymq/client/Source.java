package io.ferrymq.client;

import io.ferrymq.v1.LogPoint;
import io.ferrymq.v1.PullRequest;
import io.ferrymq.v1.SubscribeRequest;

/**
 * Where deliveries come from: a queue, a group of a topic, or a topic alone. Never changes: what looks like a setter gives
 * another one.
 */
public final class Source {
    private final SubscribeRequest request;

    private Source(SubscribeRequest request) {
        this.request = request;
    }

    /**
     * A queue, which its consumers share.
     *
     * @param name of the queue
     * @return the source
     */
    public static Source queue(String name) {
        return new Source(SubscribeRequest.newBuilder().setQueue(name).build());
    }

    /**
     * A group of a topic: its members share its messages. It has to exist, unless {@link #create()} says otherwise.
     *
     * @param topic the topic's name
     * @param group the group's name
     * @return the source
     */
    public static Source group(String topic, String group) {
        return new Source(
                SubscribeRequest.newBuilder().setTopic(topic).setGroup(group).build());
    }

    /**
     * A broadcast: what is published to a topic from now on. There is nothing to settle.
     *
     * @param name of the topic
     * @return the source
     */
    public static Source topic(String name) {
        return new Source(SubscribeRequest.newBuilder().setTopic(name).build());
    }

    /**
     * Makes the group if it is not there, with the start, pattern and filter of this source.
     *
     * @return another source
     */
    public Source create() {
        return new Source(request.toBuilder().setCreateIfMissing(true).build());
    }

    /**
     * Where a broadcast, or a group that is made, begins. Default: with what comes next.
     *
     * @param start see {@link Points}
     * @return another source
     */
    public Source start(LogPoint start) {
        return new Source(request.toBuilder().setStart(start).build());
    }

    /**
     * Where a broadcast ends. Default: never.
     *
     * @param stop see {@link Points}; a position is the last one that is delivered
     * @return another source
     */
    public Source stop(LogPoint stop) {
        return new Source(request.toBuilder().setStop(stop).build());
    }

    /**
     * Only routing keys that match, for a broadcast and for a group that is made.
     *
     * @param pattern e.g. {@code eu.#}
     * @return another source
     */
    public Source pattern(String pattern) {
        return new Source(request.toBuilder().setPattern(pattern).build());
    }

    /**
     * Only messages that match, for a broadcast and for a group that is made.
     *
     * @param filter e.g. {@code json.total > 100.0}
     * @return another source
     */
    public Source filter(String filter) {
        return new Source(request.toBuilder().setFilter(filter).build());
    }

    boolean isBroadcast() {
        return request.hasTopic() && request.getGroup().isEmpty();
    }

    /** A broadcast of which a point is what is latest when it is opened. */
    boolean meansNow() {
        return isBroadcast() && (beginsNow() || endsNow());
    }

    private boolean beginsNow() {
        return !request.hasStart() || request.getStart().equals(Points.latest());
    }

    private boolean endsNow() {
        return request.getStop().equals(Points.latest());
    }

    /** Says what was latest at the first opening as this point. */
    void fix(SubscribeRequest.Builder again, LogPoint now) {
        if (beginsNow()) {
            again.setStart(now);
        }
        if (endsNow()) {
            again.setStop(now);
        }
    }

    SubscribeRequest.Builder subscribe() {
        return request.toBuilder();
    }

    PullRequest.Builder pull() {
        PullRequest.Builder pull = PullRequest.newBuilder().setGroup(request.getGroup());
        pull.setCreateIfMissing(request.getCreateIfMissing());
        return request.hasQueue() ? pull.setQueue(request.getQueue()) : pull.setTopic(request.getTopic());
    }
}
