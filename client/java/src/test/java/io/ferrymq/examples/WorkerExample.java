package io.ferrymq.examples;

import io.ferrymq.client.Client;
import io.ferrymq.client.Messages;
import io.ferrymq.client.RejectException;
import io.ferrymq.client.RetryException;
import io.ferrymq.client.Source;
import io.ferrymq.client.Worker;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;

final class WorkerExample {
    private static final CountDownLatch BILLED = new CountDownLatch(1);

    private WorkerExample() {}

    // begin
    record Order(long id, double total) {}

    static Worker start(Client client) {
        client.publish("orders", Messages.json(new Order(1, 99.5)));
        return client.worker(Source.queue("billing"), 8, received -> {
            Order order = received.json(Order.class);
            if (order.total() < 0) {
                throw new RejectException("a negative total");
            }
            if (isClosed()) {
                throw new RetryException(Duration.ofMinutes(5), "billing is closed");
            }
            bill(order);
        });
    }
    // end

    static void run(String url) throws InterruptedException {
        try (Client client = Client.connect(url);
                Worker worker = start(client)) {
            BILLED.await();
            worker.stop();
        }
    }

    private static boolean isClosed() {
        return false;
    }

    private static void bill(Order order) {
        BILLED.countDown();
    }
}
