package io.ferrymq.client;

import com.google.protobuf.Timestamp;
import io.ferrymq.v1.LogEdge;
import io.ferrymq.v1.LogPoint;
import io.ferrymq.v1.Position;
import java.time.Instant;

/** Places in a log: where to begin, to end, or to move to. */
public final class Points {
    private Points() {}

    /**
     * The oldest message that is kept.
     *
     * @return the point
     */
    public static LogPoint earliest() {
        return LogPoint.newBuilder().setEdge(LogEdge.LOG_EDGE_EARLIEST).build();
    }

    /**
     * After the newest message that there is now.
     *
     * @return the point
     */
    public static LogPoint latest() {
        return LogPoint.newBuilder().setEdge(LogEdge.LOG_EDGE_LATEST).build();
    }

    /**
     * Exactly here.
     *
     * @param position e.g. {@link Received#position()}
     * @return the point
     */
    public static LogPoint position(Position position) {
        return LogPoint.newBuilder().setPosition(position).build();
    }

    /**
     * The first message that was published at or after this time, by the broker's clock.
     *
     * @param time as a start, one that has not come yet is {@link #latest()}
     * @return the point
     */
    public static LogPoint time(Instant time) {
        Timestamp.Builder wire =
                Timestamp.newBuilder().setSeconds(time.getEpochSecond()).setNanos(time.getNano());
        return LogPoint.newBuilder().setTime(wire).build();
    }

    /**
     * Where a queue stood when this snapshot of it was taken; only for {@link Admin#seek}.
     *
     * @param name of the snapshot
     * @return the point
     */
    public static LogPoint snapshot(String name) {
        return LogPoint.newBuilder().setSnapshot(name).build();
    }
}
