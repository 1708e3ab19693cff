package io.ferrymq.conformance;

import io.ferrymq.client.Client;
import io.ferrymq.client.Delivery;
import io.ferrymq.client.Destination;
import io.ferrymq.client.FerryException;
import io.ferrymq.client.Publisher;
import io.ferrymq.client.Subscriber;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** One scenario's broker, and what its steps keep. */
final class Scene implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(20);

    final Stage stage;
    final Client client;
    final Map<String, Subscriber> subscribers = new HashMap<>();
    /** What {@code receive} with {@code settle: hold} keeps, by the subscriber's name. */
    final Map<String, List<Delivery>> held = new HashMap<>();
    /** What a worker handled before it was told to stop. */
    final Set<String> handled = new TreeSet<>();

    private final Map<String, Publisher> publishers = new HashMap<>();

    Scene(Stage stage, boolean durable) {
        this.stage = stage;
        client = Client.connect(stage.tell(durable ? "durable" : "ephemeral"));
    }

    static Destination destination(Given given) {
        return given.has("topic") ? Destination.topic(given.text("topic")) : Destination.queue(given.text("queue"));
    }

    Publisher publisher(Given given) {
        Destination destination = destination(given);
        return publishers.computeIfAbsent(destination.toString(), name -> client.publisher(destination));
    }

    Subscriber subscriber(Given given, String field) {
        Subscriber subscriber = subscribers.get(given.text(field));
        if (subscriber == null) {
            throw new Failure("no subscriber " + given.text(field));
        }
        return subscriber;
    }

    List<Delivery> held(String name) {
        return held.computeIfAbsent(name, none -> new ArrayList<>());
    }

    /** Waits, but not for ever. */
    static <T> T within(String what, CompletableFuture<T> future) {
        try {
            return future.get(PATIENCE.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException | InterruptedException e) {
            throw new Failure("not within " + PATIENCE + ": " + what);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof FerryException error ? error : new Failure(what + ": " + e.getCause());
        }
    }

    /** Does what blocks, but not for ever. */
    static <T> T within(String what, Callable<T> work) {
        CompletableFuture<T> done = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                done.complete(work.call());
            } catch (Exception e) {
                done.completeExceptionally(e);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return within(what, done);
    }

    @Override
    public void close() {
        within("all closes", () -> {
            client.close();
            return null;
        });
    }
}
