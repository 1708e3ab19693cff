package io.ferrymq.conformance;

import java.util.concurrent.CompletableFuture;

/** Publishes to a queue and takes and acks from it, at the same time, until all has been. */
final class Through implements Bench.Measured {
    private final Publishing publishing;
    private final Consuming consuming;

    Through(String url, String queue) {
        publishing = new Publishing(url, queue);
        consuming = new Consuming(url, queue);
    }

    @Override
    public double run(Bench.Time time) {
        CompletableFuture<Long> published = CompletableFuture.supplyAsync(() -> publishing.publish(time));
        long acked = 0;
        while (!published.isDone() || acked < published.join()) {
            acked += consuming.takes() ? 1 : 0;
        }
        return time.rate(acked);
    }

    @Override
    public void close() {
        publishing.close();
        consuming.close();
    }
}
