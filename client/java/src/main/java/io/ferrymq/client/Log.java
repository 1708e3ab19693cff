package io.ferrymq.client;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/** The few lines that are worth one: reconnects, lost leases, refused batches nobody waits for. */
final class Log {
    private static final Logger LOGGER = System.getLogger("ferrymq");

    private Log() {}

    static void warn(String line) {
        LOGGER.log(Level.WARNING, line);
    }
}
