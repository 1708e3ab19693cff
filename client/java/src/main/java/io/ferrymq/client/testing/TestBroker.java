package io.ferrymq.client.testing;

import io.ferrymq.client.Client;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * A broker for tests: in memory, on a free port, ended with {@link #close()}. Needs the {@code ferrymq} program: the one that the
 * environment variable {@code FERRYMQ_PROGRAM} names, else that on the {@code PATH}.
 */
public final class TestBroker implements AutoCloseable {
    private static final Duration READY_WITHIN = Duration.ofSeconds(30);
    private static final long LOOK_EVERY_MS = 5;

    private final Process process;
    private final String url;

    private TestBroker(Process process, String url) {
        this.process = process;
        this.url = url;
    }

    /**
     * Starts one and waits until it is ready.
     *
     * @return to be closed
     * @throws IllegalStateException if it does not start
     */
    public static TestBroker start() {
        try {
            Path directory = Files.createTempDirectory("ferrymq-");
            try {
                return start(directory.resolve("port"));
            } finally {
                Files.deleteIfExists(directory.resolve("port"));
                Files.deleteIfExists(directory);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static TestBroker start(Path portFile) throws IOException {
        String named = System.getenv("FERRYMQ_PROGRAM");
        String program = named == null || named.isEmpty() ? "ferrymq" : named;
        ProcessBuilder builder = new ProcessBuilder(
                program, "serve", "--ephemeral", "--listen", "127.0.0.1:0", "--port-file", portFile.toString());
        // Settings of the program under test are not this broker's.
        builder.environment().keySet().removeIf(name -> name.startsWith("FERRYMQ_"));
        builder.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD);
        Process process;
        try {
            process = builder.start();
        } catch (IOException e) {
            throw new IllegalStateException("`" + program + "` does not start: set FERRYMQ_PROGRAM", e);
        }
        try {
            return new TestBroker(process, "http://" + address(process, portFile));
        } catch (RuntimeException | IOException e) {
            process.destroyForcibly();
            throw e;
        }
    }

    private static String address(Process process, Path portFile) throws IOException {
        long deadline = System.nanoTime() + READY_WITHIN.toNanos();
        while (System.nanoTime() - deadline < 0) {
            // The broker puts the file there whole.
            String address = Files.exists(portFile) ? Files.readString(portFile).trim() : "";
            if (!address.isEmpty()) {
                return address;
            }
            if (ends(process)) {
                throw new IllegalStateException("the broker ended before it was ready: " + process.exitValue());
            }
        }
        throw new IllegalStateException("the broker was not ready within " + READY_WITHIN);
    }

    private static boolean ends(Process process) {
        try {
            return process.waitFor(LOOK_EVERY_MS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the broker starts", e);
        }
    }

    /**
     * Where it is.
     *
     * @return e.g. {@code http://127.0.0.1:40123}
     */
    public String url() {
        return url;
    }

    /**
     * A client of it.
     *
     * @return to be closed
     */
    public Client client() {
        return Client.connect(url);
    }

    /** Ends it at once. */
    @Override
    public void close() {
        process.destroyForcibly().onExit().join();
    }
}
