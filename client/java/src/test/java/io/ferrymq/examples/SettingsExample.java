package io.ferrymq.examples;

import io.ferrymq.client.Client;
import io.ferrymq.client.ClientOptions;
import io.ferrymq.client.Destination;
import io.ferrymq.client.Messages;
import io.ferrymq.client.Points;
import io.ferrymq.client.Publisher;
import io.ferrymq.client.PublisherOptions;
import io.ferrymq.client.Source;
import io.ferrymq.client.Subscriber;
import io.ferrymq.client.SubscriberOptions;
import java.time.Duration;

final class SettingsExample {
    private SettingsExample() {}

    static void run(String url) {
        // begin
        ClientOptions options = ClientOptions.builder()
                .url(url)
                .callTimeout(Duration.ofSeconds(10))
                .build();
        PublisherOptions batching =
                PublisherOptions.builder().linger(Duration.ofMillis(5)).build();
        SubscriberOptions evenly = SubscriberOptions.builder().prefetch(1).build();
        Source group = Source.group("orders", "audit").create().start(Points.earliest());
        try (Client client = Client.connect(options);
                Publisher publisher = client.publisher(Destination.queue("billing"), batching);
                Subscriber subscriber = client.subscribe(group, evenly)) {
            publisher.publish(Messages.text("straight to the queue"));
            publisher.flush();
            subscriber.next(Duration.ofSeconds(1)).ifPresent(delivery -> delivery.release());
        }
        // end
    }
}
