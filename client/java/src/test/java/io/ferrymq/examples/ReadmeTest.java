package io.ferrymq.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.ferrymq.client.Brokers;
import io.ferrymq.client.Client;
import io.ferrymq.client.testing.TestBroker;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The README shows these examples word for word, and they work. */
@Timeout(60)
class ReadmeTest {
    private static final Path SOURCES = Path.of("src/test/java/io/ferrymq/examples");

    @Test
    void everyBlockOfJavaIsAnExample() throws IOException {
        List<String> examples = new ArrayList<>();
        try (Stream<Path> files = Files.list(SOURCES)) {
            for (Path file : files.toList()) {
                if (file.toString().endsWith("Example.java")) {
                    examples.add(shown(Files.readAllLines(file)));
                }
            }
        }
        List<String> blocks = blocks(Files.readAllLines(Path.of("README.md")));
        assertTrue(blocks.size() >= examples.size(), () -> "only " + blocks.size() + " blocks");
        blocks.forEach(block -> assertTrue(examples.contains(block), () -> "no example:\n" + block));
        assertEquals(examples.size(), blocks.stream().distinct().count());
    }

    /** What stands between `// begin` and `// end`, without the common indent. */
    private static String shown(List<String> lines) {
        List<String> shown = new ArrayList<>();
        boolean on = false;
        for (String line : lines) {
            if (line.strip().equals("// begin") || line.strip().equals("// end")) {
                on = line.strip().equals("// begin");
            } else if (on) {
                shown.add(line);
            }
        }
        return String.join("\n", shown).stripIndent().strip();
    }

    private static List<String> blocks(List<String> lines) {
        List<String> blocks = new ArrayList<>();
        List<String> block = null;
        for (String line : lines) {
            if (line.equals("```java")) {
                block = new ArrayList<>();
            } else if (line.equals("```") && block != null) {
                blocks.add(String.join("\n", block).strip());
                block = null;
            } else if (block != null) {
                block.add(line);
            }
        }
        return blocks;
    }

    @Test
    void theyRunAgainstABroker() throws InterruptedException {
        assumeTrue(Brokers.areHere(), Brokers.SKIPPED);
        TestingExample.run();
        try (TestBroker broker = TestBroker.start()) {
            try (Client client = broker.client()) {
                client.admin().createTopic("orders");
                client.admin().createQueue("billing", "orders");
            }
            PublishExample.run(broker.url());
            ConsumeExample.run(broker.url());
            WorkerExample.run(broker.url());
            ErrorsExample.run(broker.url());
            SettingsExample.run(broker.url());
        }
    }
}
