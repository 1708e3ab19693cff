package io.ferrymq.conformance;

import io.ferrymq.client.Client;
import io.ferrymq.client.Destination;
import io.ferrymq.client.Publisher;
import io.ferrymq.v1.PublishResult;
import java.util.concurrent.CompletableFuture;

/** Publishes with the client. */
final class Publishing implements Bench.Measured {
    private final Client client;
    private final Publisher publisher;

    Publishing(String url, String queue) {
        client = Client.connect(url);
        publisher = client.publisher(Destination.queue(queue));
    }

    @Override
    public double run(Bench.Time time) {
        return time.rate(publish(time));
    }

    /** How many were published; all is confirmed. */
    long publish(Bench.Time time) {
        CompletableFuture<PublishResult> last = null;
        long count = 0;
        while (time.goesOn()) {
            for (int more = 0; more < Bench.LOOK_EVERY; more++) {
                last = publisher.publish(Bench.message());
            }
            count += Bench.LOOK_EVERY;
        }
        if (last != null) {
            last.join();
        }
        return count;
    }

    @Override
    public void close() {
        client.close();
    }
}
