package io.ferrymq.conformance;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** Starts, kills and cuts off the brokers of the scenarios. */
final class Stage implements AutoCloseable {
    private final Process process;
    private final PrintStream words;
    private final BufferedReader answers;

    Stage() {
        try {
            process = new ProcessBuilder(System.getenv("TEST_STAGE"))
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        words = new PrintStream(process.getOutputStream(), true, StandardCharsets.UTF_8);
        answers = process.inputReader(StandardCharsets.UTF_8);
    }

    /** The broker's URL. */
    String tell(String word) {
        words.println(word);
        try {
            String answer = answers.readLine();
            if (answer == null || !answer.startsWith("ok")) {
                throw new Failure("the stage says: " + answer);
            }
            return answer.substring(2).trim();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        words.close();
        process.onExit().join();
    }
}
