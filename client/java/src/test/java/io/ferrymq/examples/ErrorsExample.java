package io.ferrymq.examples;

import io.ferrymq.client.Client;
import io.ferrymq.client.FerryException;
import io.ferrymq.client.Messages;

final class ErrorsExample {
    private ErrorsExample() {}

    static void run(String url) {
        try (Client client = Client.connect(url)) {
            // begin
            try {
                client.publish("no-such-topic", Messages.text("x"));
            } catch (FerryException.NotFound e) {
                // TOPIC_NOT_FOUND {topic=no-such-topic, ...}
                System.out.println(e.reason() + " " + e.metadata());
            } catch (FerryException e) {
                System.out.println(e.code() + " " + e.violations() + " " + e.retryAfter());
            }
            // end
        }
    }
}
