package io.ferrymq.conformance;

import static io.ferrymq.conformance.Scene.within;

import io.ferrymq.client.Code;
import io.ferrymq.client.Delivery;
import io.ferrymq.client.FerryException;
import io.ferrymq.client.Points;
import io.ferrymq.client.PublishOptions;
import io.ferrymq.client.Publisher;
import io.ferrymq.client.Source;
import io.ferrymq.client.Subscriber;
import io.ferrymq.client.SubscriberOptions;
import io.ferrymq.v1.Binding;
import io.ferrymq.v1.Message;
import io.ferrymq.v1.PublishResult;
import io.ferrymq.v1.Queue;
import io.ferrymq.v1.QueueStats;
import io.ferrymq.v1.SettleStatus;
import io.ferrymq.v1.Topic;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** What each step does. */
final class Steps {
    private static final long ASK_EVERY_MS = 10;

    private Steps() {}

    static void step(Scene scene, String verb, Object arguments) throws Exception {
        if (verb.equals("close")) {
            scene.subscribers.remove((String) arguments).close();
            return;
        }
        Given given = new Given(arguments);
        switch (verb) {
            case "topic" -> refused(given, () -> scene.client
                    .admin()
                    .createTopic(Written.settings(given, Topic.newBuilder())
                            .setName(given.text("name"))
                            .build()));
            case "queue" -> refused(given, () -> queue(scene, given));
            case "publish" -> publish(scene, given);
            case "publish_once" -> refused(given, () -> publishOnce(scene, given));
            case "subscribe" -> refused(given, () -> subscribe(scene, given));
            case "receive" -> receive(scene, given);
            case "settle" -> settleHeld(scene, given);
            case "together" -> together(scene, given);
            case "stats" -> stats(scene, given);
            case "pull" -> pull(scene, given);
            case "read" -> read(scene, given);
            case "worker" -> Workers.worker(scene, given);
            case "worker_stop" -> Workers.stop(scene, given);
            case "drain" -> Workers.drain(scene, given);
            case "publish_over_restart" -> Restart.publish(scene, given);
            case "break_connections" -> scene.stage.tell("break");
            default -> throw new Failure("no step: " + verb);
        }
    }

    /** Does it; with {@code error} it has to fail so. */
    private static void refused(Given given, Runnable work) {
        try {
            work.run();
        } catch (FerryException e) {
            if (!given.has("error")) {
                throw e;
            }
            Written.error(new Given(given.get("error")), e);
            return;
        }
        if (given.has("error")) {
            throw new Failure("it did not fail");
        }
    }

    private static void queue(Scene scene, Given given) {
        Queue queue = Written.settings(given, Queue.newBuilder())
                .setName(given.text("name"))
                .build();
        Binding[] bindings = given.all("bindings").stream()
                .map(each -> Binding.newBuilder()
                        .setTopic(each.text("topic"))
                        .setPattern(each.text("pattern"))
                        .setFilter(each.text("filter"))
                        .build())
                .toArray(Binding[]::new);
        scene.client.admin().createQueue(queue, bindings);
    }

    private static void publish(Scene scene, Given given) {
        Publisher publisher = scene.publisher(given);
        List<CompletableFuture<PublishResult>> confirms = new ArrayList<>();
        Written.messages(given).forEach(message -> confirms.add(publisher.publish(message)));
        for (CompletableFuture<PublishResult> confirm : confirms) {
            refused(given, () -> {
                PublishResult result = within("a confirm", confirm);
                if (given.has("queues_matched")) {
                    Written.equal(
                            "queues_matched", given.number("queues_matched", 0), (long) result.getQueuesMatched());
                }
            });
        }
    }

    private static void publishOnce(Scene scene, Given given) {
        PublishOptions.Builder options = PublishOptions.builder();
        options.waitForRoom(Duration.ofMillis(given.number("wait_for_room_ms", 0)));
        if (given.has("timeout_ms")) {
            options.timeout(Duration.ofMillis(given.number("timeout_ms", 0)));
        }
        scene.client.publish(Scene.destination(given), Written.messages(given), options.build());
    }

    private static void subscribe(Scene scene, Given given) {
        Source source = source(given);
        SubscriberOptions.Builder options = SubscriberOptions.builder();
        if (given.has("prefetch")) {
            options.prefetch((int) given.number("prefetch", 0));
        }
        long deadline = System.nanoTime() + Scene.PATIENCE.toNanos();
        while (true) {
            try {
                scene.subscribers.put(given.text("as"), scene.client.subscribe(source, options.build()));
                return;
            } catch (FerryException e) {
                boolean waits = e.code() == Code.NOT_FOUND && given.is("wait_for_queue");
                if (!waits || System.nanoTime() - deadline > 0) {
                    throw e;
                }
                pause();
            }
        }
    }

    private static Source source(Given given) {
        if (given.has("queue")) {
            return Source.queue(given.text("queue"));
        }
        Source source = given.has("group")
                ? Source.group(given.text("topic"), given.text("group"))
                : Source.topic(given.text("topic"));
        source = given.is("create") ? source.create() : source;
        return given.text("start").equals("earliest") ? source.start(Points.earliest()) : source;
    }

    static Delivery take(Subscriber subscriber) {
        return subscriber.next(Scene.PATIENCE).orElseThrow(() -> new Failure("no delivery came"));
    }

    /** What a `receive` expects, one for each delivery. */
    private static List<Given> expected(Given given) {
        if (given.has("messages")) {
            return given.all("messages");
        }
        if (given.has("payloads")) {
            return given.texts("payloads").stream()
                    .map(payload -> new Given(Map.of("payload", payload)))
                    .toList();
        }
        return Collections.nCopies((int) given.number("count", 0), new Given(Map.of()));
    }

    private static void receive(Scene scene, Given given) {
        Subscriber subscriber = scene.subscriber(given, "from");
        List<Delivery> taken = new ArrayList<>();
        for (Given expected : expected(given)) {
            Delivery delivery = take(subscriber);
            Written.compare(expected, delivery, delivery.message().getAttributesMap());
            if (given.has("attempts")) {
                Written.equal("attempt", given.list("attempts").get(taken.size()), delivery.attempt());
            }
            taken.add(delivery);
        }
        if (given.text("settle").equals("hold")) {
            scene.held(given.text("from")).addAll(taken);
        } else if (given.has("settle")) {
            settle(taken, given.text("settle"), given.text("reason"));
        }
    }

    static void settle(List<Delivery> deliveries, String action, String reason) {
        List<CompletableFuture<SettleStatus>> settling = new ArrayList<>();
        for (Delivery delivery : deliveries) {
            settling.add(
                    switch (action) {
                        case "ack" -> delivery.ack();
                        case "retry" -> delivery.retry(reason);
                        case "reject" -> delivery.reject(reason);
                        case "release" -> delivery.release();
                        default -> throw new Failure("`" + action + "` settles nothing");
                    });
        }
        settling.forEach(each -> Written.equal("status", SettleStatus.SETTLE_STATUS_OK, within("a settlement", each)));
    }

    private static void settleHeld(Scene scene, Given given) {
        List<String> wanted = given.texts("payloads");
        List<Delivery> held = scene.held(given.text("from"));
        List<Delivery> settled =
                held.stream().filter(each -> wanted.contains(each.text())).toList();
        Written.equal("held of " + wanted, wanted.size(), settled.size());
        held.removeAll(settled);
        settle(settled, given.text("action"), "");
    }

    private static void together(Scene scene, Given given) {
        List<Delivery> all = new ArrayList<>();
        given.texts("from").forEach(name -> all.addAll(scene.held.remove(name)));
        Written.equal(
                "what they hold",
                given.texts("payloads"),
                all.stream().map(Delivery::text).sorted().toList());
        settle(all, "ack", "");
    }

    static void stats(Scene scene, Given given) {
        long deadline = System.nanoTime() + Scene.PATIENCE.toNanos();
        Object last = null;
        while (System.nanoTime() - deadline < 0) {
            try {
                QueueStats stats = scene.client.admin().queueStats(given.text("queue"));
                boolean ready = given.number("ready", stats.getReady()) == stats.getReady();
                if (ready && given.number("unsettled", stats.getUnsettled()) == stats.getUnsettled()) {
                    return;
                }
                last = stats;
            } catch (FerryException e) {
                last = e;
            }
            pause();
        }
        throw new Failure("never " + given.fields + ", but " + last);
    }

    private static void pause() {
        try {
            Thread.sleep(ASK_EVERY_MS);
        } catch (InterruptedException e) {
            throw new Failure("interrupted");
        }
    }

    private static void pull(Scene scene, Given given) {
        Duration wait = Duration.ofMillis(given.number("wait_ms", 0));
        List<Delivery> pulled =
                scene.client.pull(Source.queue(given.text("queue")), (int) given.number("max", 1), wait);
        Written.equal(
                "pulled",
                given.texts("payloads"),
                pulled.stream().map(Delivery::text).toList());
        if (given.has("settle")) {
            settle(pulled, given.text("settle"), "");
        }
    }

    private static void read(Scene scene, Given given) {
        try (Subscriber reader = scene.client.read(given.text("topic"), Points.earliest(), Points.latest())) {
            for (Message message : Written.messages(given)) {
                Written.equal(
                        "payload", message.getPayload(), take(reader).message().getPayload());
            }
            within("the end", () -> {
                reader.next().ifPresent(more -> {
                    throw new Failure("read on after the end: " + more);
                });
                return null;
            });
        }
    }
}
