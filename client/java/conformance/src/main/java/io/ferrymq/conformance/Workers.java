package io.ferrymq.conformance;

import static io.ferrymq.conformance.Scene.within;

import io.ferrymq.client.Delivery;
import io.ferrymq.client.Handler;
import io.ferrymq.client.RejectException;
import io.ferrymq.client.Source;
import io.ferrymq.client.Subscriber;
import io.ferrymq.client.Worker;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/** The steps with workers. */
final class Workers {
    private Workers() {}

    static void worker(Scene scene, Given given) {
        List<String> failOnce = given.texts("fail_once");
        List<String> reject = given.texts("reject");
        Set<String> done = ConcurrentHashMap.newKeySet();
        Set<String> rejected = ConcurrentHashMap.newKeySet();
        CompletableFuture<Void> all = new CompletableFuture<>();
        Handler handler = received -> {
            String payload = received.text();
            if (reject.contains(payload)) {
                rejected.add(payload);
            } else if (failOnce.contains(payload) && received.attempt() == 1) {
                throw new IllegalStateException("the first time");
            } else {
                done.add(payload);
            }
            if (done.equals(Set.copyOf(given.texts("done"))) && rejected.equals(Set.copyOf(reject))) {
                all.complete(null);
            }
            if (rejected.contains(payload)) {
                throw new RejectException("hopeless");
            }
        };
        try (Worker worker = start(scene, given, handler)) {
            within("the worker", all);
            within("the worker stops", worker.stop());
        }
    }

    static void stop(Scene scene, Given given) {
        long stopAfter = given.number("stop_after", 0);
        CompletableFuture<Worker> started = new CompletableFuture<>();
        Set<String> handled = ConcurrentHashMap.newKeySet();
        Handler handler = received -> {
            handled.add(received.text());
            if (handled.size() >= stopAfter) {
                started.join().stop();
            }
        };
        try (Worker worker = start(scene, given, handler)) {
            started.complete(worker);
            within("the worker stops", () -> {
                worker.await();
                return null;
            });
        }
        scene.handled.addAll(handled);
    }

    private static Worker start(Scene scene, Given given, Handler handler) {
        return scene.client.worker(Source.queue(given.text("queue")), (int) given.number("concurrency", 1), handler);
    }

    static void drain(Scene scene, Given given) {
        try (Subscriber subscriber = scene.client.subscribe(Source.queue(given.text("queue")))) {
            while (scene.handled.size() < given.number("total", 0)) {
                Delivery delivery = Steps.take(subscriber);
                if (!scene.handled.add(delivery.text())) {
                    throw new Failure("`" + delivery.text() + "` came twice");
                }
                Steps.settle(List.of(delivery), "ack", "");
            }
        }
    }
}
