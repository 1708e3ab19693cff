package io.ferrymq.client;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.ConsumeRequest;
import io.ferrymq.v1.ConsumeResponse;
import io.ferrymq.v1.Opened;
import io.ferrymq.v1.SettleStatus;
import io.ferrymq.v1.Settlement;
import io.ferrymq.v1.SettlementResult;
import io.ferrymq.v1.SubscribeRequest;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;

/** Tests of a client of a {@link FakeBroker}, with what such a broker says to one subscriber. */
@Timeout(20)
abstract class AgainstFakeBroker {
    FakeBroker broker;
    Client client;
    /** The subscriber's that came last. */
    FakeBroker.Stream<ConsumeRequest, ConsumeResponse> stream;

    @BeforeEach
    void start() throws IOException {
        broker = new FakeBroker();
        client = broker.client();
    }

    @AfterEach
    void stop() {
        client.close();
        broker.close();
    }

    /** Waits for the subscriber's next stream and opens it. */
    SubscribeRequest open(String token) throws InterruptedException {
        stream = FakeBroker.next(broker.consuming);
        SubscribeRequest request = FakeBroker.next(stream.requests).getOpen();
        Opened opened = Opened.newBuilder()
                .setResumeToken(ByteString.copyFromUtf8(token))
                .build();
        stream.responses.onNext(ConsumeResponse.newBuilder().setOpened(opened).build());
        return request;
    }

    void deliver(String... ids) {
        ConsumeResponse.Builder response = ConsumeResponse.newBuilder();
        for (String id : ids) {
            response.addDeliveriesBuilder()
                    .setMessage(Messages.text(id))
                    .setAckId(ByteString.copyFromUtf8(id))
                    .setAttempt(1);
        }
        stream.responses.onNext(response.build());
    }

    /** Waits for a settlement of one delivery and says that it is done. */
    Settlement settled() throws InterruptedException {
        Settlement settlement = FakeBroker.next(stream.requests).getSettlements(0);
        SettlementResult.Builder result = SettlementResult.newBuilder().setId(settlement.getId());
        stream.responses.onNext(ConsumeResponse.newBuilder()
                .addSettled(result.addStatuses(SettleStatus.SETTLE_STATUS_OK))
                .build());
        return settlement;
    }
}
