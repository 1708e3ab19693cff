package io.ferrymq.conformance;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.Message;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;

/** How fast the client is, on a broker and beside the bare stubs: see Speed in the README of the scenarios. */
final class Bench {
    static final int PREFETCH = 10_000;
    static final int PREFETCH_BYTES = 64 << 20;
    /** The clock is looked at once in so many messages, as a batch of the stubs does. */
    static final int LOOK_EVERY = 240;
    /** The queue of the server that does nothing. */
    static final String NOOP_QUEUE = "noop-1024";

    private static final ByteString PAYLOAD = ByteString.copyFrom(new byte[1024]);

    private Bench() {}

    /** One way to work, on one connection: run twice, first uncounted. */
    interface Measured extends AutoCloseable {
        /** Works for this time; gives the messages each second. */
        double run(Time time) throws Exception;

        @Override
        void close();
    }

    /** Time that runs from when it is made. */
    record Time(long begin, long nanos) {
        Time(double seconds) {
            this(System.nanoTime(), (long) (seconds * 1e9));
        }

        boolean goesOn() {
            return left() > 0;
        }

        long left() {
            return nanos - (System.nanoTime() - begin);
        }

        double rate(long messages) {
            return messages * 1e9 / (System.nanoTime() - begin);
        }
    }

    /** Runs the rows with these names, as often as they are named, or all if none is. */
    static void run(String url, String noopUrl, double seconds, Collection<String> names) throws Exception {
        Map<String, Callable<Measured>> rows = new LinkedHashMap<>();
        rows.put("broker publish", () -> new OnBroker(url, "bench-publish", Publishing::new));
        rows.put("broker through", () -> new OnBroker(url, "bench-through", Through::new));
        rows.put("client publish", () -> new Publishing(noopUrl, NOOP_QUEUE));
        rows.put("client consume", () -> new Consuming(noopUrl, NOOP_QUEUE));
        rows.put("stubs publish", () -> new BarePublishing(noopUrl));
        rows.put("stubs consume", () -> new BareConsuming(noopUrl));
        Collection<String> chosen = names.isEmpty() ? rows.keySet() : names;
        for (String name : chosen) {
            warmUp(rows.get(name).call(), seconds);
        }
        for (String name : chosen) {
            report(name, rows.get(name).call(), seconds);
        }
    }

    /** The rows share much of what runs: without this, the earlier one would pay for what of it has yet to be compiled. */
    private static void warmUp(Measured measured, double seconds) throws Exception {
        try (measured) {
            measured.run(new Time(seconds));
        }
    }

    private static void report(String name, Measured measured, double seconds) throws Exception {
        try (measured) {
            measured.run(new Time(seconds / 2));
            double rate = measured.run(new Time(seconds));
            Main.print(Map.of("name", name, "messages_per_second", Math.round(rate)));
        }
    }

    /** A message of its own, as a program makes it. */
    static Message message() {
        return Message.newBuilder().setPayload(PAYLOAD).build();
    }
}
