package io.ferrymq.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.ferrymq.v1.ErrorReason;
import io.ferrymq.v1.Failure;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;

/** Makes exceptions of what gRPC and the broker say. */
final class Errors {
    private static final String PREFIX = "ERROR_REASON_";

    private Errors() {}

    static FerryException of(Status status, Metadata trailers) {
        HashMap<String, String> metadata = new HashMap<>();
        ArrayList<Violation> violations = new ArrayList<>();
        String reason = "";
        Duration retryAfter = null;
        for (Any detail : details(status, trailers)) {
            try {
                if (detail.is(ErrorInfo.class)) {
                    ErrorInfo info = detail.unpack(ErrorInfo.class);
                    reason = info.getReason();
                    metadata.putAll(info.getMetadataMap());
                } else if (detail.is(BadRequest.class)) {
                    for (var each : detail.unpack(BadRequest.class).getFieldViolationsList()) {
                        violations.add(new Violation(each.getField(), each.getDescription()));
                    }
                } else if (detail.is(RetryInfo.class)) {
                    retryAfter = Durations.read(detail.unpack(RetryInfo.class).getRetryDelay());
                }
            } catch (InvalidProtocolBufferException e) {
                // What a later version says otherwise is left out: the code and the message stand.
                violations.clear();
            }
        }
        Code code =
                isBroken(status) ? Code.UNAVAILABLE : Code.of(status.getCode().value());
        return FerryException.of(
                new Facts(code, reason, message(status), metadata, violations, retryAfter), status.getCause());
    }

    /** A stream that was cut off on the way comes as one of several codes of gRPC's own making. */
    private static boolean isBroken(Status status) {
        boolean own =
                switch (status.getCode()) {
                    case CANCELLED, UNKNOWN, INTERNAL -> true;
                    default -> false;
                };
        boolean reset =
                status.getDescription() != null && status.getDescription().startsWith("RST_STREAM");
        return own && (reset || status.getCause() instanceof IOException);
    }

    static FerryException of(Failure failure) {
        ArrayList<Violation> violations = new ArrayList<>();
        if (!failure.getField().isEmpty()) {
            violations.add(new Violation(failure.getField(), failure.getMessage()));
        }
        Duration retryAfter = failure.hasRetryAfter() ? Durations.read(failure.getRetryAfter()) : null;
        Code code = Code.of(failure.getCode());
        String reason = reason(failure.getReason());
        return FerryException.of(
                new Facts(code, reason, failure.getMessage(), new HashMap<>(), violations, retryAfter), null);
    }

    private static String reason(ErrorReason reason) {
        boolean none = reason == ErrorReason.ERROR_REASON_UNSPECIFIED || reason == ErrorReason.UNRECOGNIZED;
        return none ? "" : reason.name().substring(PREFIX.length());
    }

    private static List<Any> details(Status status, Metadata trailers) {
        if (trailers == null) {
            return List.of();
        }
        com.google.rpc.Status details = StatusProto.fromStatusAndTrailers(status, trailers);
        return details == null ? List.of() : details.getDetailsList();
    }

    /** Never empty: a bare status is said by its code, and a broken connection by its cause. */
    private static String message(Status status) {
        String said = status.getDescription() == null ? status.getCode().name() : status.getDescription();
        Throwable cause = status.getCause();
        if (cause == null) {
            return said;
        }
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause.getMessage() == null ? said : said + ": " + cause.getMessage();
    }
}
