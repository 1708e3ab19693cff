package io.ferrymq.client;

/** Thrown by a {@link Handler}: this will never work, to the dead-letter queue with it. */
public class RejectException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * With a reason.
     *
     * @param reason for whoever looks into the dead-letter queue
     */
    public RejectException(String reason) {
        super(reason);
    }

    /**
     * With a reason and what led to it.
     *
     * @param reason for whoever looks into the dead-letter queue
     * @param cause what led to it
     */
    public RejectException(String reason, Throwable cause) {
        super(reason, cause);
    }
}
