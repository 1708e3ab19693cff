package io.ferrymq.client;

/** The canonical codes of gRPC, by which a call fails. */
public enum Code {
    /** Not a failure. */
    OK,
    /** Ended by the caller. */
    CANCELLED,
    /** Of no other kind. */
    UNKNOWN,
    /** A field is missing, out of range, or too large. */
    INVALID_ARGUMENT,
    /** The deadline passed first. */
    DEADLINE_EXCEEDED,
    /** No such topic, queue, binding or snapshot. */
    NOT_FOUND,
    /** It exists with other settings. */
    ALREADY_EXISTS,
    /** Known who asks, and not allowed. */
    PERMISSION_DENIED,
    /** A limit is reached: of a queue, a topic, the disk or the broker. */
    RESOURCE_EXHAUSTED,
    /** Not as things stand, e.g. it is still in use. */
    FAILED_PRECONDITION,
    /** Something else came first: read again and retry. */
    ABORTED,
    /** A position that is not kept any more. */
    OUT_OF_RANGE,
    /** This broker does not do it. */
    UNIMPLEMENTED,
    /** A defect of the broker or of what lies between. */
    INTERNAL,
    /** The broker cannot be reached, or is starting or stopping. */
    UNAVAILABLE,
    /** Damaged on disk. */
    DATA_LOSS,
    /** Not known who asks. */
    UNAUTHENTICATED;

    static Code of(int number) {
        Code[] all = values();
        return number >= 0 && number < all.length ? all[number] : UNKNOWN;
    }
}
