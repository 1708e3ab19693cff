package io.ferrymq.client;

import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/** One call of gRPC, with its failure as the client's exception. */
final class Call<Q, R> {
    /** What happens to a call, one after the other, in the thread of the connection: nothing may wait here, nor code of the program run. */
    interface Events<R> {
        void message(R response);

        /** There is room to send again. */
        void ready();

        /** The end; {@code error} is null if it was in order. */
        void closed(FerryException error);
    }

    private final ClientCall<Q, R> call;
    private volatile boolean started;

    Call(ClientCall<Q, R> call) {
        this.call = call;
    }

    /** Begins; takes so many responses before {@link #take} asks for more. */
    void start(Events<R> events, int responses) {
        call.start(new Listener<>(events), new Metadata());
        call.request(responses);
        started = true;
    }

    /** Sends the one request and completes the future with the answer, by way of the executor. */
    void unary(Q request, CompletableFuture<R> answer, Executor executor) {
        start(new Unary<>(answer, executor), 2);
        call.sendMessage(request);
        call.halfClose();
    }

    boolean isReady() {
        return started && call.isReady();
    }

    /** By one thread at a time, as {@link #halfClose}. */
    void send(Q request) {
        call.sendMessage(request);
    }

    void halfClose() {
        call.halfClose();
    }

    void take(int responses) {
        call.request(responses);
    }

    void cancel(String why) {
        call.cancel(why, null);
    }

    private static final class Listener<R> extends ClientCall.Listener<R> {
        private final Events<R> events;

        Listener(Events<R> events) {
            this.events = events;
        }

        @Override
        public void onMessage(R response) {
            events.message(response);
        }

        @Override
        public void onReady() {
            events.ready();
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            events.closed(status.isOk() ? null : Errors.of(status, trailers));
        }
    }

    private static final class Unary<R> implements Events<R> {
        private final CompletableFuture<R> answer;
        private final Executor executor;
        private R response;

        Unary(CompletableFuture<R> answer, Executor executor) {
            this.answer = answer;
            this.executor = executor;
        }

        @Override
        public void message(R response) {
            this.response = response;
        }

        @Override
        public void ready() {}

        @Override
        public void closed(FerryException error) {
            executor.execute(() -> complete(error));
        }

        private void complete(FerryException error) {
            if (error != null) {
                answer.completeExceptionally(error);
            } else if (response == null) {
                answer.completeExceptionally(FerryException.unavailable("the call ended without an answer"));
            } else {
                answer.complete(response);
            }
        }
    }
}
