package io.ferrymq.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import io.ferrymq.v1.NackMode;
import io.ferrymq.v1.SettleStatus;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class SettlementsTest {
    private final Settlements settlements = new Settlements();

    private final Held held = new Held();

    private CompletableFuture<SettleStatus> add(String id, Settle how) {
        CompletableFuture<SettleStatus> answer = new CompletableFuture<>();
        Delivery delivery = new Delivery(
                io.ferrymq.v1.Delivery.newBuilder()
                        .setAckId(ByteString.copyFromUtf8(id))
                        .build(),
                (of, settle) -> answer);
        held.add(List.of(delivery));
        settlements.add(delivery, how, answer);
        return answer;
    }

    private List<String> held() {
        return held.ackIds().stream().map(ByteString::toStringUtf8).sorted().toList();
    }

    private static List<Long> ids(List<SettleGroup> groups) {
        return groups.stream().map(group -> group.id).toList();
    }

    @Test
    void neighboursGoTogetherAndWhatIsUnansweredGoesAgain() {
        Settle reject = Settle.nack(NackMode.NACK_MODE_REJECT, null, "no");
        add("a", Settle.ACK);
        CompletableFuture<SettleStatus> second = add("b", Settle.ACK);
        add("c", reject);
        CompletableFuture<SettleStatus> last = add("d", Settle.ACK);
        assertEquals(List.of(1L, 2L, 3L), ids(settlements.take(10)));
        assertFalse(settlements.hasUnsent());

        SettleGroup first = settlements.answered(1);
        first.settled(held);
        first.answer(List.of(SettleStatus.SETTLE_STATUS_OK, SettleStatus.SETTLE_STATUS_OK));
        assertEquals(List.of("c", "d"), held());
        assertEquals(SettleStatus.SETTLE_STATUS_OK, second.join());

        settlements.startAgain();
        assertEquals(List.of(2L, 3L), ids(settlements.take(10)));
        settlements.end().forEach(group -> group.fail(FerryException.unavailable("gone")));
        assertTrue(last.isCompletedExceptionally());
    }

    @Test
    void groupsAreBoundedAndTakenInPortions() {
        for (int count = 0; count < Settlements.GROUP_MAX + 1; count++) {
            add("x", Settle.ACK);
        }
        assertTrue(settlements.hasFull());
        assertEquals(List.of(1L), ids(settlements.take(Settlements.GROUP_MAX)));
        assertFalse(settlements.hasFull());
        assertEquals(List.of(2L), ids(settlements.take(Settlements.GROUP_MAX)));
        assertEquals(2, settlements.waiting());
    }

    @Test
    void anExtensionIsStillHeld() {
        add("a", Settle.extend(Duration.ofSeconds(5)));
        SettleGroup group = settlements.take(1).get(0);
        group.settled(held);
        assertEquals(List.of("a"), held());
        assertEquals(5, group.wire().getExtend().getLease().getSeconds());
    }

    @Test
    void aReasonIsCutToWholeCharacters() {
        assertEquals("ok", Settle.cut("ok"));
        assertEquals("x".repeat(1023), Settle.cut("x".repeat(1023) + "é"));
        assertEquals("é".repeat(512), Settle.cut("é".repeat(600)));
    }
}
