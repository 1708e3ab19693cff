package io.ferrymq.examples;

// begin
import io.ferrymq.client.Client;
import io.ferrymq.client.Messages;
import io.ferrymq.client.Publisher;

public class HelloExample {
    public static void main(String[] args) {
        try (Client client = Client.connect();
                Publisher publisher = client.publisher("orders")) {
            var confirm = publisher.publish(Messages.text("{\"id\": 1}"));
            System.out.println("on disk at " + confirm.join().getPosition());
        }
    }
}
// end
