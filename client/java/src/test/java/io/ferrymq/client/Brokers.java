package io.ferrymq.client;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Whether tests against a real broker can run here. */
public final class Brokers {
    /** Why they do not. */
    public static final String SKIPPED = "SKIPPED: no ferrymq on the PATH, and FERRYMQ_PROGRAM is not set";

    private Brokers() {}

    /** In CI one has to be there. */
    public static boolean areHere() {
        if (System.getenv("FERRYMQ_PROGRAM") != null || "true".equals(System.getenv("CI"))) {
            return true;
        }
        String path = System.getenv("PATH");
        return Stream.of(path.split(":")).anyMatch(directory -> Files.isExecutable(Path.of(directory, "ferrymq")));
    }
}
