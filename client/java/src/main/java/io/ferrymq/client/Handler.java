package io.ferrymq.client;

/** Does the work of one delivery: what a {@link Worker} runs. */
@FunctionalInterface
public interface Handler {
    /**
     * Works on a delivery. That it returns acks it.
     *
     * @param received what was delivered
     * @throws RejectException to dead-letter it now
     * @throws RetryException to have it again after a delay
     * @throws Exception of any other kind, to have it again after the queue's backoff, with its text as the reason
     */
    void handle(Received received) throws Exception;
}
