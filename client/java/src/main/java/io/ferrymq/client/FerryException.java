package io.ferrymq.client;

import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A call that failed, as data. Kinds that programs tell apart are classes of their own within this one; what a future fails
 * with is one of them, too.
 */
public class FerryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** All that is known. */
    private final Facts facts;

    FerryException(Facts facts, Throwable cause) {
        super(facts.text(), cause);
        this.facts = facts;
    }

    /**
     * The canonical gRPC code.
     *
     * @return never null
     */
    public Code code() {
        return facts.code();
    }

    /**
     * Why, for programs: a name of {@code ErrorReason} without its prefix, e.g. {@code QUEUE_NOT_FOUND}.
     *
     * @return empty if the broker gave none
     */
    public String reason() {
        return facts.reason();
    }

    /**
     * What it is about, e.g. {@code topic} and {@code orders}.
     *
     * @return not to be changed; may be empty
     */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(facts.metadata());
    }

    /**
     * The fields that were wrong.
     *
     * @return not to be changed; may be empty
     */
    public List<Violation> violations() {
        return Collections.unmodifiableList(facts.violations());
    }

    /**
     * How long to wait before trying again.
     *
     * @return empty if the broker did not say
     */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(facts.retryAfter());
    }

    /** Whether a stream that ended so is to be opened again. */
    boolean isPassing() {
        return code() == Code.UNAVAILABLE || facts.retryAfter() != null;
    }

    /** The same with the stack of the thread that waited for it. */
    FerryException here() {
        return of(facts, this);
    }

    static FerryException unavailable(String message) {
        return of(Facts.of(Code.UNAVAILABLE, message), null);
    }

    static FerryException timeout(String message) {
        return of(Facts.of(Code.DEADLINE_EXCEEDED, message), null);
    }

    static FerryException invalid(String field, String rule) {
        Facts facts = Facts.of(Code.INVALID_ARGUMENT, rule);
        facts.violations().add(new Violation(field, rule));
        return of(facts, null);
    }

    static FerryException interrupted() {
        Thread.currentThread().interrupt();
        return of(Facts.of(Code.CANCELLED, "the waiting thread was interrupted"), null);
    }

    static FerryException of(Facts facts, Throwable cause) {
        return switch (facts.code()) {
            case NOT_FOUND -> new NotFound(facts, cause);
            case ALREADY_EXISTS -> new AlreadyExists(facts, cause);
            case INVALID_ARGUMENT -> new InvalidArgument(facts, cause);
            case FAILED_PRECONDITION -> new FailedPrecondition(facts, cause);
            case RESOURCE_EXHAUSTED -> new Exhausted(facts, cause);
            case UNAVAILABLE -> new Unavailable(facts, cause);
            case DEADLINE_EXCEEDED -> new Timeout(facts, cause);
            default -> new FerryException(facts, cause);
        };
    }

    /** No such topic, queue, binding or snapshot. */
    public static final class NotFound extends FerryException {
        private static final long serialVersionUID = 1L;

        private NotFound(Facts facts, Throwable cause) {
            super(facts, cause);
        }
    }

    /** It exists with other settings; the metadata {@code fields} names them. */
    public static final class AlreadyExists extends FerryException {
        private static final long serialVersionUID = 1L;

        private AlreadyExists(Facts facts, Throwable cause) {
            super(facts, cause);
        }
    }

    /** A field is missing, out of range, or too large: see {@link #violations()}. */
    public static final class InvalidArgument extends FerryException {
        private static final long serialVersionUID = 1L;

        private InvalidArgument(Facts facts, Throwable cause) {
            super(facts, cause);
        }
    }

    /** Not as things stand, e.g. it is still in use. */
    public static final class FailedPrecondition extends FerryException {
        private static final long serialVersionUID = 1L;

        private FailedPrecondition(Facts facts, Throwable cause) {
            super(facts, cause);
        }
    }

    /** A limit is reached: of a queue, a topic, the disk or the broker. */
    public static final class Exhausted extends FerryException {
        private static final long serialVersionUID = 1L;

        private Exhausted(Facts facts, Throwable cause) {
            super(facts, cause);
        }
    }

    /** The broker cannot be reached, or is starting or stopping. */
    public static final class Unavailable extends FerryException {
        private static final long serialVersionUID = 1L;

        private Unavailable(Facts facts, Throwable cause) {
            super(facts, cause);
        }
    }

    /** The deadline of the call passed first. */
    public static final class Timeout extends FerryException {
        private static final long serialVersionUID = 1L;

        private Timeout(Facts facts, Throwable cause) {
            super(facts, cause);
        }
    }
}
