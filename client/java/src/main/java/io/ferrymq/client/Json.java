package io.ferrymq.client;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;

/** Loaded only by programs that use JSON values, as Jackson is optional. */
final class Json {
    private static final ObjectMapper MAPPER = new ObjectMapper().findAndRegisterModules();

    private Json() {}

    static byte[] write(Object value) {
        try {
            return MAPPER.writeValueAsBytes(value);
        } catch (IOException e) {
            throw FerryException.invalid("payload", e.getMessage());
        }
    }

    static <T> T read(byte[] payload, Class<T> type) {
        try {
            return MAPPER.readValue(payload, type);
        } catch (IOException e) {
            throw FerryException.invalid("payload", e.getMessage());
        }
    }
}
