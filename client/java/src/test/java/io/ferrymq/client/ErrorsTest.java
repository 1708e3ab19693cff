package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.ferrymq.v1.ErrorReason;
import io.ferrymq.v1.Failure;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ErrorsTest {
    private static FerryException detailed() {
        var violation = BadRequest.FieldViolation.newBuilder()
                .setField("messages[3].ttl_ms")
                .setDescription("at most 366 days");
        com.google.rpc.Status status = com.google.rpc.Status.newBuilder()
                .setCode(Status.Code.NOT_FOUND.value())
                .setMessage("no such topic")
                .addDetails(Any.pack(ErrorInfo.newBuilder()
                        .setReason("TOPIC_NOT_FOUND")
                        .putMetadata("topic", "order")
                        .build()))
                .addDetails(Any.pack(
                        BadRequest.newBuilder().addFieldViolations(violation).build()))
                .addDetails(Any.pack(RetryInfo.newBuilder()
                        .setRetryDelay(Duration.newBuilder().setNanos(250_000_000))
                        .build()))
                .build();
        StatusRuntimeException failed = StatusProto.toStatusRuntimeException(status);
        return Errors.of(failed.getStatus(), failed.getTrailers());
    }

    @Test
    void detailsOfAStatusBecomeFacts() {
        FerryException error = assertInstanceOf(FerryException.NotFound.class, detailed());
        assertEquals(Code.NOT_FOUND, error.code());
        assertEquals("TOPIC_NOT_FOUND", error.reason());
        assertEquals(Map.of("topic", "order"), error.metadata());
        assertEquals(List.of(new Violation("messages[3].ttl_ms", "at most 366 days")), error.violations());
        assertEquals(Optional.of(java.time.Duration.ofMillis(250)), error.retryAfter());
        assertEquals("no such topic; messages[3].ttl_ms: at most 366 days", error.getMessage());
        assertTrue(error.isPassing());
    }

    @Test
    void aBareStatusIsTakenByItsCode() {
        FerryException error = Errors.of(Status.UNIMPLEMENTED, new Metadata());
        assertEquals(Code.UNIMPLEMENTED, error.code());
        assertEquals("", error.reason());
        assertEquals("UNIMPLEMENTED", error.getMessage());
        assertInstanceOf(FerryException.Timeout.class, Errors.of(Status.DEADLINE_EXCEEDED, null));
        assertInstanceOf(FerryException.Unavailable.class, Errors.of(Status.UNAVAILABLE, null));
    }

    @Test
    void aStreamThatWasCutOffIsUnavailableAndACancelledCallIsNot() {
        Status reset = Status.CANCELLED.withDescription("RST_STREAM closed stream. HTTP/2 error code: CANCEL");
        assertEquals(Code.UNAVAILABLE, Errors.of(reset, null).code());
        Status broken = Status.UNKNOWN.withCause(new IOException("Broken pipe"));
        assertEquals(Code.UNAVAILABLE, Errors.of(broken, null).code());
        assertEquals(
                Code.CANCELLED,
                Errors.of(Status.CANCELLED.withDescription("closed"), null).code());
    }

    @Test
    void aFailureInsideAnAnswerSaysTheSame() {
        FerryException error = Errors.of(Failure.newBuilder()
                .setCode(Status.Code.RESOURCE_EXHAUSTED.value())
                .setReason(ErrorReason.ERROR_REASON_DISK_FULL)
                .setMessage("disk full")
                .setRetryAfter(Duration.newBuilder().setSeconds(1))
                .build());
        assertInstanceOf(FerryException.Exhausted.class, error);
        assertEquals("DISK_FULL", error.reason());
        assertEquals(Optional.of(java.time.Duration.ofSeconds(1)), error.retryAfter());
        assertTrue(error.violations().isEmpty());
    }

    @Test
    void oneThatIsWaitedForHasTheStackOfWhoWaits() {
        FerryException error = detailed();
        FerryException here = error.here();
        assertEquals(error.violations(), here.violations());
        assertEquals(error, here.getCause());
    }

    @Test
    void itCanBeSerialized() throws IOException, ClassNotFoundException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(detailed());
        }
        try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            FerryException read = (FerryException) in.readObject();
            assertEquals("TOPIC_NOT_FOUND", read.reason());
            assertEquals(detailed().violations(), read.violations());
        }
    }
}
