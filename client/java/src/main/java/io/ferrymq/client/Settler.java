package io.ferrymq.client;

import io.ferrymq.v1.SettleStatus;
import java.util.concurrent.CompletableFuture;

/** Where deliveries are settled: the stream that they came on, or calls for those that were pulled. */
interface Settler {
    CompletableFuture<SettleStatus> settle(Delivery delivery, Settle how);
}
