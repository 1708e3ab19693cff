package io.ferrymq.examples;

import io.ferrymq.client.Client;
import io.ferrymq.client.Messages;
import io.ferrymq.client.Publisher;

final class PublishExample {
    private PublishExample() {}

    static void run(String url) {
        // begin
        try (Client client = Client.connect(url);
                Publisher publisher = client.publisher("orders")) {
            var confirm = publisher.publish(Messages.text("{\"id\": 1}"));
            System.out.println("on disk at " + confirm.join().getPosition());
        }
        // end
    }
}
