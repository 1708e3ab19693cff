package io.ferrymq.conformance;

import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.net.URI;

/** Channels for the bare stubs, with the options of the client's. */
final class Channels {
    private Channels() {}

    static ManagedChannel open(String url) {
        URI address = URI.create(url);
        return NettyChannelBuilder.forAddress(address.getHost(), address.getPort())
                .usePlaintext()
                .directExecutor()
                .maxInboundMessageSize(256 << 20)
                .initialFlowControlWindow(4 << 20)
                .disableRetry()
                .build();
    }
}
