package io.ferrymq.client;

import com.google.protobuf.Timestamp;
import io.ferrymq.v1.GetServerInfoRequest;
import io.ferrymq.v1.GetServerInfoResponse;
import io.ferrymq.v1.LogPoint;
import io.ferrymq.v1.Message;
import io.ferrymq.v1.MessagingServiceGrpc;
import io.ferrymq.v1.PublishRequest;
import io.ferrymq.v1.PublishResult;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A broker, over one connection. To be shared by all threads of a program. Whatever waits fails with a {@link FerryException}.
 */
public final class Client implements AutoCloseable {
    private final Connection connection;
    private final Admin admin;
    private final Pulls pulls;
    private final Set<Publisher> publishers = ConcurrentHashMap.newKeySet();
    private final Set<Subscriber> subscribers = ConcurrentHashMap.newKeySet();
    private final Set<Worker> workers = ConcurrentHashMap.newKeySet();

    private Client(ClientOptions options) {
        connection = new Connection(options);
        admin = new Admin(connection);
        pulls = new Pulls(connection);
    }

    /**
     * A client of what the environment variable {@code FERRYMQ_URL} names, else of {@code http://127.0.0.1:7171}. Does not wait
     * for the broker: the first call does.
     *
     * @return to be closed
     */
    public static Client connect() {
        return connect(ClientOptions.builder().build());
    }

    /**
     * A client of the broker at this URL. Does not wait for the broker: the first call does.
     *
     * @param url {@code http://HOST:PORT}, or {@code https://HOST:PORT} for TLS
     * @return to be closed
     * @throws FerryException INVALID_ARGUMENT if it is no such URL
     */
    public static Client connect(String url) {
        return connect(ClientOptions.builder().url(url).build());
    }

    /**
     * A client with settings. Does not wait for the broker: the first call does.
     *
     * @param options see {@link ClientOptions#builder()}
     * @return to be closed
     * @throws FerryException INVALID_ARGUMENT if its URL is none
     */
    public static Client connect(ClientOptions options) {
        return new Client(options);
    }

    /**
     * Topics, queues, bindings, snapshots, stats.
     *
     * @return always the same
     */
    public Admin admin() {
        return admin;
    }

    /**
     * What the broker is, can and allows.
     *
     * @return its answer
     */
    public GetServerInfoResponse serverInfo() {
        return connection.ask(MessagingServiceGrpc.getGetServerInfoMethod(), GetServerInfoRequest.getDefaultInstance());
    }

    /**
     * A publisher to a topic.
     *
     * @param topic the topic's name
     * @return to be closed
     */
    public Publisher publisher(String topic) {
        return publisher(Destination.topic(topic));
    }

    /**
     * A publisher.
     *
     * @param destination a topic or a queue
     * @return to be closed
     */
    public Publisher publisher(Destination destination) {
        return publisher(destination, PublisherOptions.builder().build());
    }

    /**
     * A publisher with settings.
     *
     * @param destination a topic or a queue
     * @param options see {@link PublisherOptions#builder()}
     * @return to be closed
     */
    public Publisher publisher(Destination destination, PublisherOptions options) {
        Publisher publisher = new Publisher(new PublishEngine(connection, destination, options), publishers::remove);
        publishers.add(publisher);
        return publisher;
    }

    /**
     * Publishes one message with one call and waits for its confirm: for programs that publish now and then.
     *
     * @param topic the topic's name
     * @param message the message
     * @return it is on disk
     */
    public PublishResult publish(String topic, Message message) {
        return publish(
                        Destination.topic(topic),
                        List.of(message),
                        PublishOptions.builder().build())
                .get(0);
    }

    /**
     * Publishes a batch with one call, all or nothing, and waits for its confirm.
     *
     * @param destination a topic or a queue
     * @param messages 1 to 10,000, together at most 4 MiB
     * @param options see {@link PublishOptions#builder()}
     * @return one for each message, in order; all is on disk
     */
    public List<PublishResult> publish(Destination destination, List<Message> messages, PublishOptions options) {
        PublishRequest.Builder request = destination
                .request()
                .setRequireRoute(options.requireRoute)
                .setWaitForRoom(Durations.wire(options.waitForRoom));
        messages.forEach(message -> request.addMessages(Trace.inject(message)));
        Duration timeout = options.timeout == null ? connection.options.callTimeout : options.timeout;
        return Futures.get(connection.call(MessagingServiceGrpc.getPublishMethod(), request.build(), timeout))
                .getResultsList();
    }

    /**
     * Subscribes, and waits until the broker says that it is open.
     *
     * @param source a queue, a group, or a topic
     * @return to be closed
     */
    public Subscriber subscribe(Source source) {
        return subscribe(source, SubscriberOptions.builder().build());
    }

    /**
     * Subscribes with settings, and waits until the broker says that it is open.
     *
     * @param source a queue, a group, or a topic
     * @param options see {@link SubscriberOptions#builder()}
     * @return to be closed
     */
    public Subscriber subscribe(Source source, SubscriberOptions options) {
        return subscribe(source, options, true);
    }

    private Subscriber subscribe(Source source, SubscriberOptions options, boolean own) {
        // What is latest now is another place when a broadcast is opened again.
        LogPoint now = source.meansNow() ? now() : null;
        Consumption consumption = new Consumption(connection, new Opening(source, options.of(source), now));
        if (!consumption.opensWithin(connection.options.callTimeout)) {
            consumption.cancel();
            throw FerryException.timeout("the broker did not open the stream within " + connection.options.callTimeout);
        }
        consumption.opened();
        Subscriber subscriber = new Subscriber(consumption, consumption.buffer(), connection, subscribers::remove);
        if (own) {
            subscribers.add(subscriber);
        }
        return subscriber;
    }

    private LogPoint now() {
        Timestamp time = serverInfo().getTime();
        return LogPoint.newBuilder().setTime(time).build();
    }

    /**
     * Reads a topic from any point on, as a broadcast: there is nothing to settle.
     *
     * @param topic the topic's name
     * @param start see {@link Points}
     * @return to be closed
     */
    public Subscriber read(String topic, LogPoint start) {
        return subscribe(Source.topic(topic).start(start));
    }

    /**
     * Reads a part of a topic, as a broadcast that then ends.
     *
     * @param topic the topic's name
     * @param start see {@link Points}
     * @param stop see {@link Points}; a position is the last one that is read
     * @return to be closed
     */
    public Subscriber read(String topic, LogPoint start, LogPoint stop) {
        return subscribe(Source.topic(topic).start(start).stop(stop));
    }

    /**
     * Runs a handler for each delivery, so many at a time.
     *
     * @param source a queue or a group
     * @param concurrency 1 to 10,000
     * @param handler by any number of threads at once
     * @return the running worker, to be closed
     */
    public Worker worker(Source source, int concurrency, Handler handler) {
        return worker(source, WorkerOptions.builder().concurrency(concurrency).build(), handler);
    }

    /**
     * Runs a handler for each delivery.
     *
     * @param source a queue or a group
     * @param options see {@link WorkerOptions#builder()}
     * @param handler by any number of threads at once
     * @return the running worker, to be closed
     */
    public Worker worker(Source source, WorkerOptions options, Handler handler) {
        Subscriber subscriber = subscribe(source, options.subscriber, false);
        Worker worker = new Worker(connection, subscriber, options, handler, workers::remove);
        workers.add(worker);
        worker.start();
        return worker;
    }

    /**
     * Takes what waits, once. The leases are extended until they are settled or this client is closed.
     *
     * @param source a queue or a group
     * @param max most messages, 1 to 10,000
     * @param wait how long to wait for the first of them, 0 to 5 min
     * @return in order; none if nothing came in time
     */
    public List<Delivery> pull(Source source, int max, Duration wait) {
        return pulls.pull(source, max, wait);
    }

    /**
     * Ends all that was made by it, in order: workers drain, subscribers give back what they hold, publishers wait for their
     * confirms. Then the connection.
     */
    @Override
    public void close() {
        workers.forEach(Worker::stop);
        closeAll(workers);
        closeAll(subscribers);
        pulls.close();
        closeAll(publishers);
        admin.close();
        connection.close();
    }

    private static void closeAll(Collection<? extends AutoCloseable> all) {
        for (AutoCloseable each : List.copyOf(all)) {
            try {
                each.close();
            } catch (FerryException e) {
                Log.warn("it did not end in order: " + e.getMessage());
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
