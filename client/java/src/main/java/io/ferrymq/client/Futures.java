package io.ferrymq.client;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Waiting for futures, with exceptions of the client's own. */
final class Futures {
    private Futures() {}

    static <T> T get(CompletableFuture<T> future) {
        try {
            return future.get();
        } catch (ExecutionException e) {
            throw unwrapped(e);
        } catch (InterruptedException e) {
            throw FerryException.interrupted();
        }
    }

    /** Whether it came to an end in time, well or not. */
    static boolean ends(CompletableFuture<?> future, Duration within) {
        try {
            future.get(within.toNanos(), TimeUnit.NANOSECONDS);
            return true;
        } catch (ExecutionException e) {
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (InterruptedException e) {
            throw FerryException.interrupted();
        }
    }

    /** What made a stage fail. */
    static FerryException failure(Throwable error) {
        Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
        return cause instanceof FerryException failure ? failure : FerryException.unavailable(String.valueOf(cause));
    }

    private static RuntimeException unwrapped(ExecutionException e) {
        if (e.getCause() instanceof FerryException failure) {
            return failure.here();
        }
        return e.getCause() instanceof RuntimeException other ? other : new IllegalStateException(e.getCause());
    }
}
