package io.ferrymq.client;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.SettleStatus;
import java.util.concurrent.CompletableFuture;

/** Where deliveries are settled: the stream that they came on, or calls for those that were pulled. */
interface Settler {
    CompletableFuture<SettleStatus> settle(ByteString ackId, Settle how);
}
