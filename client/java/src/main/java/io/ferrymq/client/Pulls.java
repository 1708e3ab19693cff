package io.ferrymq.client;

import io.ferrymq.v1.MessagingServiceGrpc;
import io.ferrymq.v1.PullRequest;
import io.ferrymq.v1.PullResponse;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Pulls, and owns the leases of what was pulled and is not settled. */
final class Pulls {
    /** A pull ends so long before the deadline of its call. */
    private static final Duration MARGIN = Duration.ofSeconds(5);

    /** Of a broker that does not say. */
    private static final Duration LEASE = Duration.ofSeconds(30);

    private final Connection connection;
    private final Set<Leases> pulled = ConcurrentHashMap.newKeySet();

    Pulls(Connection connection) {
        this.connection = connection;
    }

    List<Delivery> pull(Source source, int max, Duration wait) {
        PullRequest request = source.pull()
                .setMaxMessages(Ranges.check("max", max, 1, 10_000))
                .setWait(Durations.wire(wait))
                .build();
        PullResponse response =
                Futures.get(connection.call(MessagingServiceGrpc.getPullMethod(), request, timeout(wait)));
        if (response.getDeliveriesCount() == 0) {
            return List.of();
        }
        Duration lease = response.hasLease() ? Durations.read(response.getLease()) : LEASE;
        Leases leases = new Leases(connection, lease, pulled::remove);
        pulled.add(leases);
        return leases.hold(response.getDeliveriesList());
    }

    private Duration timeout(Duration wait) {
        Duration least = wait.plus(MARGIN);
        Duration usual = connection.options.callTimeout;
        return usual.compareTo(least) > 0 ? usual : least;
    }

    /** What is held goes back without a failure. */
    void close() {
        List.copyOf(pulled).forEach(Leases::close);
    }
}
