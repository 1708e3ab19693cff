package io.ferrymq.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ferrymq.client.Client;
import io.ferrymq.client.Destination;
import io.ferrymq.client.Messages;
import io.ferrymq.client.PublishOptions;
import io.ferrymq.client.Source;
import io.ferrymq.client.testing.TestBroker;
import java.time.Duration;
import java.util.List;

final class TestingExample {
    private TestingExample() {}

    static void run() {
        // begin
        try (TestBroker broker = TestBroker.start();
                Client client = broker.client()) {
            client.admin().createQueue("billing");
            client.publish(
                    Destination.queue("billing"),
                    List.of(Messages.text("one")),
                    PublishOptions.builder().build());
            var pulled = client.pull(Source.queue("billing"), 10, Duration.ofSeconds(5));
            assertEquals("one", pulled.get(0).text());
        }
        // end
    }
}
