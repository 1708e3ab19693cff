package io.ferrymq.conformance;

import io.ferrymq.client.Client;
import io.ferrymq.client.Delivery;
import io.ferrymq.client.Source;
import io.ferrymq.client.Subscriber;
import io.ferrymq.client.SubscriberOptions;
import java.time.Duration;
import java.util.Optional;

/** Takes and acks with the client. */
final class Consuming implements Bench.Measured {
    private static final Duration SOON = Duration.ofMillis(10);

    private final Client client;
    private final Subscriber subscriber;

    Consuming(String url, String queue) {
        client = Client.connect(url);
        SubscriberOptions options = SubscriberOptions.builder()
                .prefetch(Bench.PREFETCH)
                .prefetchBytes(Bench.PREFETCH_BYTES)
                .build();
        subscriber = client.subscribe(Source.queue(queue), options);
    }

    @Override
    public double run(Bench.Time time) {
        long acked = 0;
        while (time.goesOn()) {
            for (int more = 0; more < Bench.LOOK_EVERY && takes(); more++) {
                acked++;
            }
        }
        return time.rate(acked);
    }

    /** Takes and acks one; false if none came soon. */
    boolean takes() {
        Optional<Delivery> delivery = subscriber.next(SOON);
        delivery.ifPresent(Delivery::ack);
        return delivery.isPresent();
    }

    @Override
    public void close() {
        client.close();
    }
}
