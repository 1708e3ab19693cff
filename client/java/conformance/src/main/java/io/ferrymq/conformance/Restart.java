package io.ferrymq.conformance;

import static io.ferrymq.conformance.Scene.within;

import io.ferrymq.client.Delivery;
import io.ferrymq.client.Publisher;
import io.ferrymq.client.Subscriber;
import io.ferrymq.v1.Message;
import io.ferrymq.v1.PublishResult;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;

/** The step that kills the broker in the middle. */
final class Restart {
    private static final Duration LOOK_EVERY = Duration.ofMillis(100);

    private Restart() {}

    static void publish(Scene scene, Given given) {
        List<Message> messages = Written.messages(given);
        Subscriber subscriber = scene.subscriber(given, "as");
        CompletableFuture<Void> everything = new CompletableFuture<>();
        AtomicBoolean enough = new AtomicBoolean();
        CompletableFuture<Void> receiving =
                CompletableFuture.runAsync(() -> receive(subscriber, messages.size(), everything, enough));
        Publisher publisher = scene.publisher(given("topic", given.text("topic")));
        List<CompletableFuture<PublishResult>> confirms = new ArrayList<>();
        messages.forEach(message -> confirms.add(publisher.publish(message)));
        for (int number = 0; number < confirms.size(); number++) {
            if (number == given.number("kill_after", 0)) {
                scene.stage.tell("kill");
            }
            within("a confirm", confirms.get(number));
        }
        within("everything arrives", everything);
        Steps.stats(scene, new Given(Map.of("queue", given.text("queue"), "ready", 0, "unsettled", 0)));
        enough.set(true);
        within("the receiver ends", receiving);
    }

    private static Given given(String key, String value) {
        return new Given(Map.of(key, value));
    }

    private static void receive(
            Subscriber subscriber, int total, CompletableFuture<Void> everything, AtomicBoolean enough) {
        Set<String> seen = ConcurrentHashMap.newKeySet();
        try {
            while (!enough.get()) {
                Optional<Delivery> delivery = subscriber.next(LOOK_EVERY);
                delivery.ifPresent(each -> {
                    seen.add(each.text());
                    each.ack();
                });
                if (seen.size() == total) {
                    everything.complete(null);
                }
            }
        } catch (RuntimeException e) {
            everything.completeExceptionally(e);
        }
    }
}
