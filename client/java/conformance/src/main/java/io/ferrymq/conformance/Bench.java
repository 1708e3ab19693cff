package io.ferrymq.conformance;

import com.google.protobuf.ByteString;
import io.ferrymq.client.Client;
import io.ferrymq.v1.Message;
import java.util.Map;

/** How fast the client is, on a broker and beside the bare stubs: see Speed in the README of the scenarios. */
final class Bench {
    static final int PREFETCH = 10_000;
    static final int PREFETCH_BYTES = 64 << 20;
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

    static void run(String url, String noopUrl, double seconds) throws Exception {
        try (Client admin = Client.connect(url)) {
            admin.admin().createQueue("bench-publish");
            report("broker publish", new Publishing(url, "bench-publish"), seconds);
            admin.admin().deleteQueue("bench-publish", true);
            admin.admin().createQueue("bench-through");
            report("broker through", new Through(url, "bench-through"), seconds);
            admin.admin().deleteQueue("bench-through", true);
        }
        report("client publish", new Publishing(noopUrl, NOOP_QUEUE), seconds);
        report("client consume", new Consuming(noopUrl, NOOP_QUEUE), seconds);
        report("stubs publish", new BarePublishing(noopUrl), seconds);
        report("stubs consume", new BareConsuming(noopUrl), seconds);
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
