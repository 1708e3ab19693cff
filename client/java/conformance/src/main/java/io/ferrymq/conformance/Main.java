package io.ferrymq.conformance;

import com.google.gson.Gson;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/** The Java client's runner of the conformance scenarios: see tests/conformance/README.md. */
public final class Main {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private Main() {}

    /**
     * Runs one of the calls.
     *
     * @param arguments the call and what it takes
     * @throws Exception why it failed
     */
    public static void main(String[] arguments) throws Exception {
        List<String> rest = List.of(arguments);
        boolean ok = true;
        switch (rest.isEmpty() ? "" : rest.get(0)) {
            case "scenarios" -> ok = scenarios(yaml(rest.get(1)));
            case "send" -> Vectors.send(rest.get(1), rest.get(2), rest.get(3), yaml(rest.get(4)));
            case "expect" -> Vectors.expect(
                    rest.get(1), rest.get(2), rest.get(3), yaml(rest.get(4)), rest.subList(5, rest.size()));
            case "bench" -> Bench.run(
                    rest.get(1), rest.get(2), Double.parseDouble(rest.get(3)), rest.subList(4, rest.size()));
            default -> throw new Failure(
                    "scenarios FILE | send URL TOPIC LANG FILE | expect URL TOPIC GROUP FILE LANG..."
                            + " | bench URL NOOP_URL SECONDS [ROW...]");
        }
        System.exit(ok ? 0 : 1);
    }

    static void print(Map<String, ?> line) {
        OUT.println(new Gson().toJson(line));
    }

    private static List<Given> yaml(String file) throws IOException {
        LoaderOptions options = new LoaderOptions();
        List<?> all = new Yaml(new SafeConstructor(options)).load(Files.readString(Path.of(file)));
        return all.stream().map(Given::new).toList();
    }

    private static boolean scenarios(List<Given> scenarios) {
        boolean ok = true;
        try (Stage stage = new Stage()) {
            for (Given scenario : scenarios) {
                Map<String, Object> line = new LinkedHashMap<>();
                line.put("scenario", scenario.text("scenario"));
                String error = play(stage, scenario);
                line.put("ok", error == null);
                if (error != null) {
                    line.put("error", error);
                    ok = false;
                }
                print(line);
            }
        }
        return ok;
    }

    /** What went wrong, or null. */
    private static String play(Stage stage, Given scenario) {
        String at = "the end";
        try (Scene scene = new Scene(stage, scenario.is("durable"))) {
            int number = 0;
            for (Given step : scenario.all("steps")) {
                String verb = String.valueOf(step.fields.keySet().iterator().next());
                at = "step " + ++number + " (" + verb + ")";
                Steps.step(scene, verb, step.get(verb));
            }
            at = "the end";
            return null;
        } catch (Exception e) {
            return at + ": " + e;
        }
    }
}
