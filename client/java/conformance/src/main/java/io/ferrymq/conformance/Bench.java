package io.ferrymq.conformance;

import com.google.protobuf.ByteString;
import io.ferrymq.client.Client;
import io.ferrymq.client.Delivery;
import io.ferrymq.client.Destination;
import io.ferrymq.client.Publisher;
import io.ferrymq.client.Source;
import io.ferrymq.client.Subscriber;
import io.ferrymq.client.SubscriberOptions;
import io.ferrymq.v1.Message;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** How fast the client is, beside the bare stubs of gRPC against a server that answers at once. */
final class Bench {
    static final int PAYLOAD_BYTES = 1024;
    private static final Duration LOOK_EVERY = Duration.ofMillis(100);
    /** The first seconds are the compiler's: they are not counted. */
    private static final Duration WARM_UP = Duration.ofSeconds(4);

    private Bench() {}

    static void run(String url, String noopUrl, double seconds) throws Exception {
        Duration time = Duration.ofMillis((long) (seconds * 1000));
        try (Client client = Client.connect(url)) {
            client.admin().createQueue("bench-publish");
            client.admin().createQueue("bench-through");
            publish(client, WARM_UP);
            client.admin().purge("bench-publish");
            report("publish", publish(client, time));
            through(client, WARM_UP);
            report("through", through(client, time));
            client.admin().deleteQueue("bench-publish", true);
            client.admin().deleteQueue("bench-through", true);
        }
        try (Bare bare = new Bare(noopUrl)) {
            bare.publish(WARM_UP);
            report("noop publish", bare.publish(time));
            bare.through(WARM_UP);
            report("noop through", bare.through(time));
        }
    }

    private static void report(String name, double rate) {
        Main.print(Map.of("name", name, "messages_per_second", Math.round(rate)));
    }

    static Message message() {
        return Message.newBuilder()
                .setPayload(ByteString.copyFrom(new byte[PAYLOAD_BYTES]))
                .build();
    }

    private static double publish(Client client, Duration time) {
        Message message = message();
        long begin = System.nanoTime();
        long count = 0;
        try (Publisher publisher = client.publisher(Destination.queue("bench-publish"))) {
            while (System.nanoTime() - begin < time.toNanos()) {
                publisher.publish(message);
                count++;
            }
        }
        return count / seconds(begin);
    }

    private static double through(Client client, Duration time) {
        SubscriberOptions options = SubscriberOptions.builder()
                .prefetch(10_000)
                .prefetchBytes(64 << 20)
                .build();
        try (Subscriber subscriber = client.subscribe(Source.queue("bench-through"), options);
                Publisher publisher = client.publisher(Destination.queue("bench-through"))) {
            long begin = System.nanoTime();
            CompletableFuture<Long> publishing = CompletableFuture.supplyAsync(() -> {
                Message message = message();
                long count = 0;
                while (System.nanoTime() - begin < time.toNanos()) {
                    publisher.publish(message);
                    count++;
                }
                publisher.flush();
                return count;
            });
            long received = 0;
            while (!publishing.isDone() || received < publishing.join()) {
                Optional<Delivery> delivery = subscriber.next(LOOK_EVERY);
                if (delivery.isPresent()) {
                    delivery.get().ack();
                    received++;
                }
            }
            return received / seconds(begin);
        }
    }

    static double seconds(long begin) {
        return (System.nanoTime() - begin) / 1e9;
    }
}
