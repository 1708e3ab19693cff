package io.ferrymq.client;

import io.ferrymq.v1.WatchStatsRequest;
import io.ferrymq.v1.WatchStatsResponse;
import java.util.Iterator;
import java.util.List;
import java.util.function.Consumer;

/**
 * Numbers as they come, from {@link Admin#watchStats}, for one thread. A connection that breaks ends it: what is missed is of no
 * use to anybody, and a program that wants more watches anew.
 */
public final class StatsWatch implements Iterable<WatchStatsResponse>, AutoCloseable {
    private final Call<WatchStatsRequest, WatchStatsResponse> call;
    private final Consumer<StatsWatch> closed;
    /** The broker sends no more than was asked for: who is slow gets fewer of them. */
    private final ItemBuffer<WatchStatsResponse> buffer;

    StatsWatch(Call<WatchStatsRequest, WatchStatsResponse> call, Consumer<StatsWatch> closed) {
        this.call = call;
        this.closed = closed;
        buffer = new ItemBuffer<>(() -> call.take(1));
    }

    void start(WatchStatsRequest request) {
        call.start(new Numbers(), 1);
        call.send(request);
        call.halfClose();
    }

    /**
     * Numbers as they come; {@code hasNext} waits for the next and is false once this is closed. It fails with the
     * {@link FerryException} that ended it.
     */
    @Override
    public Iterator<WatchStatsResponse> iterator() {
        return buffer.iterator();
    }

    /** Nothing more comes. */
    @Override
    public void close() {
        buffer.end(null, true);
        call.cancel("closed");
        closed.accept(this);
    }

    private final class Numbers implements Call.Events<WatchStatsResponse> {
        @Override
        public void message(WatchStatsResponse response) {
            buffer.put(List.of(response));
        }

        @Override
        public void ready() {}

        @Override
        public void closed(FerryException error) {
            buffer.end(
                    error == null ? FerryException.unavailable("the broker ended the stream of numbers") : error,
                    false);
            closed.accept(StatsWatch.this);
        }
    }
}
