package io.ferrymq.client;

import java.io.Serializable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;

/** What is known of a failure. */
record Facts(
        Code code,
        String reason,
        String message,
        HashMap<String, String> metadata,
        ArrayList<Violation> violations,
        Duration retryAfter)
        implements Serializable {

    static Facts of(Code code, String message) {
        return new Facts(code, "", message, new HashMap<>(), new ArrayList<>(), null);
    }

    /** The message, with the rules that it does not name itself. */
    String text() {
        StringBuilder text = new StringBuilder(message);
        for (Violation violation : violations) {
            if (!message.contains(violation.rule())) {
                text.append("; ").append(violation.field()).append(": ").append(violation.rule());
            }
        }
        return text.toString();
    }
}
