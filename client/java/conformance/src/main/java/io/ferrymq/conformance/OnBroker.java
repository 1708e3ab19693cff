package io.ferrymq.conformance;

import io.ferrymq.client.Client;
import java.util.function.BiFunction;

/** What is measured with a queue of the broker's that is there only meanwhile. */
final class OnBroker implements Bench.Measured {
    private final Client client;
    private final String queue;
    private final Bench.Measured measured;

    OnBroker(String url, String queue, BiFunction<String, String, Bench.Measured> make) {
        client = Client.connect(url);
        this.queue = queue;
        client.admin().createQueue(queue);
        measured = make.apply(url, queue);
    }

    @Override
    public double run(Bench.Time time) throws Exception {
        return measured.run(time);
    }

    @Override
    public void close() {
        measured.close();
        client.admin().deleteQueue(queue, true);
        client.close();
    }
}
