package io.ferrymq.examples;

import io.ferrymq.client.Client;
import io.ferrymq.client.Delivery;
import io.ferrymq.client.Source;
import io.ferrymq.client.Subscriber;

final class ConsumeExample {
    private ConsumeExample() {}

    static void run(String url) {
        // begin
        try (Client client = Client.connect(url);
                Subscriber subscriber = client.subscribe(Source.queue("billing"))) {
            for (Delivery delivery : subscriber) {
                System.out.println(delivery.text());
                delivery.ack();
                // end
                break;
                // begin
            }
        }
        // end
    }
}
