package io.ferrymq.client;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.LogPoint;
import io.ferrymq.v1.Opened;
import io.ferrymq.v1.Position;
import io.ferrymq.v1.SubscribeRequest;
import java.util.List;

/** How the streams of a subscriber are opened: the first, and each that goes on where one broke off. Its owner lets in one thread at a time. */
final class Opening {
    private static final String TRIMMED = "POSITION_TRIMMED";

    private final Source source;
    private final SubscribeRequest.Builder request;
    /** The broker's time just before the first opening, for a broadcast that says what was latest then; null otherwise, and once it is said. */
    private LogPoint now;

    private Position last;

    Opening(Source source, SubscribeRequest.Builder request, LogPoint now) {
        this.source = source;
        this.request = request;
        this.now = now;
    }

    boolean isBroadcast() {
        return source.isBroadcast();
    }

    /** Nothing is settled: gRPC's flow control bounds what waits. */
    boolean isUnsettled() {
        return isBroadcast() || request.getAtMostOnce();
    }

    /** The request for the next stream, with what the program still works on. */
    SubscribeRequest next(List<ByteString> held) {
        SubscribeRequest.Builder next = request.clone();
        if (last != null) {
            next.setStart(Points.position(
                    last.toBuilder().setOffset(last.getOffset() + 1).build()));
        }
        return next.addAllHeldAckIds(held).build();
    }

    /** The broker has opened one. True if it does not know the consumer any more: what it held comes again. */
    boolean opened(Opened opened) {
        ByteString before = request.getResumeToken();
        request.setResumeToken(opened.getResumeToken());
        if (now != null) {
            // A broadcast that breaks misses nothing that came meanwhile, and ends where it would have.
            source.fix(request, now);
            now = null;
        }
        return !before.isEmpty() && !before.equals(opened.getResumeToken());
    }

    /** A delivery has come: a broadcast goes on behind it. */
    void delivered(Position position) {
        if (isBroadcast()) {
            last = position;
        }
    }

    /** Whether a stream that ended so is to be opened again. */
    boolean goesOnAfter(FerryException error) {
        if (last != null && error.reason().equals(TRIMMED)) {
            // Retention has passed what comes next: on with the first that is kept.
            last = null;
            request.setStart(Points.earliest());
            return true;
        }
        return error.isPassing();
    }
}
