package io.ferrymq.conformance;

/** Something did not go as it has to. */
final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Failure(String message) {
        super(message);
    }
}
