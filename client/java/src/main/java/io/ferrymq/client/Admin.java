package io.ferrymq.client;

import com.google.protobuf.FieldMask;
import io.ferrymq.v1.AdminServiceGrpc;
import io.ferrymq.v1.Binding;
import io.ferrymq.v1.CreateBindingRequest;
import io.ferrymq.v1.CreateBindingResponse;
import io.ferrymq.v1.CreateQueueRequest;
import io.ferrymq.v1.CreateQueueResponse;
import io.ferrymq.v1.CreateTopicRequest;
import io.ferrymq.v1.CreateTopicResponse;
import io.ferrymq.v1.DeleteBindingRequest;
import io.ferrymq.v1.DeleteQueueRequest;
import io.ferrymq.v1.DeleteQueueResponse;
import io.ferrymq.v1.DeleteTopicRequest;
import io.ferrymq.v1.GetBindingRequest;
import io.ferrymq.v1.GetQueueRequest;
import io.ferrymq.v1.GetTopicRequest;
import io.ferrymq.v1.ListBindingsRequest;
import io.ferrymq.v1.ListBindingsResponse;
import io.ferrymq.v1.ListQueuesRequest;
import io.ferrymq.v1.ListQueuesResponse;
import io.ferrymq.v1.ListTopicsRequest;
import io.ferrymq.v1.ListTopicsResponse;
import io.ferrymq.v1.Queue;
import io.ferrymq.v1.ResourceView;
import io.ferrymq.v1.Topic;
import io.ferrymq.v1.UpdateQueueRequest;
import io.ferrymq.v1.UpdateTopicRequest;
import java.util.Arrays;
import java.util.List;

/**
 * Topics, queues, bindings, and all that {@link Operations} has: one call each, which waits for the answer and fails with a
 * {@link FerryException}.
 */
public final class Admin extends Operations {
    private final Connection connection;

    Admin(Connection connection) {
        super(connection);
        this.connection = connection;
    }

    /**
     * Makes a topic.
     *
     * @param topic its name and settings
     * @return the topic; {@code created} is false if it had been there, the same
     */
    public CreateTopicResponse createTopic(Topic topic) {
        return connection.ask(
                AdminServiceGrpc.getCreateTopicMethod(),
                CreateTopicRequest.newBuilder().setTopic(topic).build());
    }

    /**
     * Makes a topic with the defaults.
     *
     * @param name its name
     * @return the topic; {@code created} is false if it had been there, the same
     */
    public CreateTopicResponse createTopic(String name) {
        return createTopic(Topic.newBuilder().setName(name).build());
    }

    /**
     * A topic with its settings and stats.
     *
     * @param name its name
     * @return the topic
     */
    public Topic getTopic(String name) {
        GetTopicRequest request = GetTopicRequest.newBuilder()
                .setName(name)
                .setView(ResourceView.RESOURCE_VIEW_FULL)
                .build();
        return connection.ask(AdminServiceGrpc.getGetTopicMethod(), request).getTopic();
    }

    /**
     * Topics by the beginning of their names, with their settings.
     *
     * @param prefix empty for all
     * @return all of them, by name
     */
    public List<Topic> listTopics(String prefix) {
        ListTopicsRequest.Builder request =
                ListTopicsRequest.newBuilder().setPageSize(Connection.PAGE_SIZE).setPrefix(prefix);
        return connection.pages(
                AdminServiceGrpc.getListTopicsMethod(),
                token -> request.setPageToken(token).build(),
                ListTopicsResponse::getTopicsList,
                ListTopicsResponse::getNextPageToken);
    }

    /**
     * Changes settings of a topic.
     *
     * @param topic its name and the new settings
     * @param mask which fields of it, e.g. {@code retention}
     * @return as it is now
     */
    public Topic updateTopic(Topic topic, String... mask) {
        UpdateTopicRequest request = UpdateTopicRequest.newBuilder()
                .setTopic(topic)
                .setUpdateMask(mask(mask))
                .build();
        return connection.ask(AdminServiceGrpc.getUpdateTopicMethod(), request).getTopic();
    }

    /**
     * Deletes a topic.
     *
     * @param name its name
     * @param force also while queues are bound to it
     * @return false if it was not there
     */
    public boolean deleteTopic(String name, boolean force) {
        DeleteTopicRequest request = DeleteTopicRequest.newBuilder()
                .setName(name)
                .setForce(force)
                .setAllowMissing(true)
                .build();
        return connection.ask(AdminServiceGrpc.getDeleteTopicMethod(), request).getDeleted();
    }

    /**
     * Makes a queue and its bindings in one commit.
     *
     * @param queue its name and settings
     * @param bindings what it gets; the queue in them may be left out
     * @return the queue; {@code created} is false if it had been there, the same
     */
    public CreateQueueResponse createQueue(Queue queue, Binding... bindings) {
        CreateQueueRequest request = CreateQueueRequest.newBuilder()
                .setQueue(queue)
                .addAllBindings(List.of(bindings))
                .build();
        return connection.ask(AdminServiceGrpc.getCreateQueueMethod(), request);
    }

    /**
     * Makes a queue with the defaults that gets all of some topics.
     *
     * @param name its name
     * @param topics of which it gets all; none for only what is sent straight to it
     * @return the queue; {@code created} is false if it had been there, the same
     */
    public CreateQueueResponse createQueue(String name, String... topics) {
        Binding[] bindings = Arrays.stream(topics)
                .map(topic -> Binding.newBuilder().setTopic(topic).build())
                .toArray(Binding[]::new);
        return createQueue(Queue.newBuilder().setName(name).build(), bindings);
    }

    /**
     * A queue with its settings, bindings and stats.
     *
     * @param name its name
     * @return the queue
     */
    public Queue getQueue(String name) {
        GetQueueRequest request = GetQueueRequest.newBuilder()
                .setName(name)
                .setView(ResourceView.RESOURCE_VIEW_FULL)
                .build();
        return connection.ask(AdminServiceGrpc.getGetQueueMethod(), request).getQueue();
    }

    /**
     * Queues by the beginning of their names, with their settings.
     *
     * @param prefix empty for all
     * @return all of them, by name
     */
    public List<Queue> listQueues(String prefix) {
        ListQueuesRequest.Builder request =
                ListQueuesRequest.newBuilder().setPageSize(Connection.PAGE_SIZE).setPrefix(prefix);
        return connection.pages(
                AdminServiceGrpc.getListQueuesMethod(),
                token -> request.setPageToken(token).build(),
                ListQueuesResponse::getQueuesList,
                ListQueuesResponse::getNextPageToken);
    }

    /**
     * Changes settings of a queue.
     *
     * @param queue its name and the new settings
     * @param mask which fields of it, e.g. {@code retry.max_attempts}
     * @return as it is now
     */
    public Queue updateQueue(Queue queue, String... mask) {
        UpdateQueueRequest request = UpdateQueueRequest.newBuilder()
                .setQueue(queue)
                .setUpdateMask(mask(mask))
                .build();
        return connection.ask(AdminServiceGrpc.getUpdateQueueMethod(), request).getQueue();
    }

    /**
     * Deletes a queue.
     *
     * @param name its name
     * @param force also with consumers or messages
     * @return whether it was there, and what went with it
     */
    public DeleteQueueResponse deleteQueue(String name, boolean force) {
        DeleteQueueRequest request = DeleteQueueRequest.newBuilder()
                .setName(name)
                .setForce(force)
                .setAllowMissing(true)
                .build();
        return connection.ask(AdminServiceGrpc.getDeleteQueueMethod(), request);
    }

    /**
     * Binds a topic to a queue or to another topic.
     *
     * @param binding both, with a pattern or filter
     * @return the binding with its name; {@code created} is false if it had been there
     */
    public CreateBindingResponse createBinding(Binding binding) {
        return connection.ask(
                AdminServiceGrpc.getCreateBindingMethod(),
                CreateBindingRequest.newBuilder().setBinding(binding).build());
    }

    /**
     * A binding.
     *
     * @param name its name
     * @return the binding
     */
    public Binding getBinding(String name) {
        return connection
                .ask(
                        AdminServiceGrpc.getGetBindingMethod(),
                        GetBindingRequest.newBuilder().setName(name).build())
                .getBinding();
    }

    /**
     * Bindings from a topic to a queue.
     *
     * @param topic empty for any
     * @param queue empty for any
     * @return all of them, by name
     */
    public List<Binding> listBindings(String topic, String queue) {
        ListBindingsRequest.Builder request = ListBindingsRequest.newBuilder()
                .setPageSize(Connection.PAGE_SIZE)
                .setTopic(topic)
                .setQueue(queue);
        return connection.pages(
                AdminServiceGrpc.getListBindingsMethod(),
                token -> request.setPageToken(token).build(),
                ListBindingsResponse::getBindingsList,
                ListBindingsResponse::getNextPageToken);
    }

    /**
     * Deletes a binding; what the queue had received through it stays.
     *
     * @param name its name
     * @return false if it was not there
     */
    public boolean deleteBinding(String name) {
        DeleteBindingRequest request = DeleteBindingRequest.newBuilder()
                .setName(name)
                .setAllowMissing(true)
                .build();
        return connection
                .ask(AdminServiceGrpc.getDeleteBindingMethod(), request)
                .getDeleted();
    }

    private static FieldMask mask(String... fields) {
        return FieldMask.newBuilder().addAllPaths(List.of(fields)).build();
    }
}
