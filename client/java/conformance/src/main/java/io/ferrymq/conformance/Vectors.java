package io.ferrymq.conformance;

import static io.ferrymq.conformance.Scene.within;

import io.ferrymq.client.Client;
import io.ferrymq.client.Delivery;
import io.ferrymq.client.Points;
import io.ferrymq.client.Publisher;
import io.ferrymq.client.Source;
import io.ferrymq.client.Subscriber;
import io.ferrymq.v1.PublishResult;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** Messages from and to every language. */
final class Vectors {
    private static final String FROM = "from";

    private Vectors() {}

    static void send(String url, String topic, String language, List<Given> vectors) {
        try (Client client = Client.connect(url);
                Publisher publisher = client.publisher(topic)) {
            List<CompletableFuture<PublishResult>> confirms = new ArrayList<>();
            for (Given vector : vectors) {
                confirms.add(publisher.publish(Written.message(vector).toBuilder()
                        .putAttributes(FROM, language)
                        .build()));
            }
            confirms.forEach(confirm -> within("a confirm", confirm));
        }
    }

    static void expect(String url, String topic, String group, List<Given> vectors, List<String> languages) {
        Source source = Source.group(topic, group).create().start(Points.earliest());
        Map<String, Integer> seen = new HashMap<>();
        try (Client client = Client.connect(url);
                Subscriber subscriber = client.subscribe(source)) {
            for (int count = 0; count < languages.size() * vectors.size(); count++) {
                Delivery delivery = Steps.take(subscriber);
                Map<String, String> attributes =
                        new HashMap<>(delivery.message().getAttributesMap());
                String from = attributes.remove(FROM);
                int at = seen.merge(from, 1, Integer::sum) - 1;
                Map<Object, Object> expected = new HashMap<>(vectors.get(at).fields);
                expected.putIfAbsent("attributes", Map.of());
                Written.compare(new Given(expected), delivery, attributes);
                delivery.ack();
            }
        }
        languages.forEach(language -> Written.equal("from " + language, vectors.size(), seen.get(language)));
    }
}
