//! How fast a queue delivers: a bucket of tokens, one for each delivery.

use super::machine::QueueMachine;
use crate::Millis;

/// No faster than this, but for bursts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Messages each second; may be a fraction, above 0.
    pub per_second: f64,
    /// Most at once, from 1.
    pub burst: u32,
}

/// Full at the start. Tokens are given by time, counted when somebody asks.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    tokens: f64,
    filled: Option<Millis>,
    /// When a delivery that had to wait finds its token.
    wake: Option<Millis>,
}

impl Bucket {
    fn fill(&mut self, rate: Rate, now: Millis) {
        let burst = f64::from(rate.burst);
        self.tokens = match self.filled {
            None => burst,
            // A clock that was set back gives nothing, and is followed from there on.
            Some(filled) => {
                let more = now.saturating_sub(filled) as f64 * rate.per_second / 1_000.0;
                (self.tokens + more).min(burst)
            }
        };
        self.filled = Some(now);
    }

    fn take(&mut self, rate: Rate, now: Millis) -> bool {
        self.fill(rate, now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return true;
        }
        let missing_ms = ((1.0 - self.tokens) * 1_000.0 / rate.per_second).ceil() as u64;
        self.wake = Some(now.saturating_add(missing_ms.max(1)));
        false
    }

    pub(super) fn next(&self) -> Option<Millis> {
        self.wake
    }
}

impl QueueMachine {
    /// True if one more message may go out now. If not, a timer tells when.
    pub(super) fn take_token(&mut self, now: Millis) -> bool {
        self.config.rate.is_none_or(|rate| self.bucket.take(rate, now))
    }

    /// The time for the next token has come: whoever hands out asks again.
    pub(super) fn end_wait_for_token(&mut self, now: Millis) {
        self.bucket.wake = self.bucket.wake.filter(|wake| *wake > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes all that can be had in `seconds`, each when it is there.
    fn taken(rate: Rate, seconds: u64) -> usize {
        let mut bucket = Bucket::default();
        let (mut now, mut count) = (5_000, 0);
        while now < 5_000 + seconds * 1_000 {
            if bucket.take(rate, now) {
                count += 1;
            } else {
                now = bucket.next().unwrap();
            }
        }
        count
    }

    #[test]
    fn gives_a_burst_and_then_the_rate() {
        assert_eq!(taken(Rate { per_second: 10.0, burst: 5 }, 10), 5 + 99);
        assert_eq!(taken(Rate { per_second: 0.1, burst: 1 }, 100), 10);
        assert_eq!(taken(Rate { per_second: 500.0, burst: 500 }, 2), 500 + 999);
    }

    #[test]
    fn keeps_no_more_than_the_burst_and_bears_a_clock_that_is_set_back() {
        let rate = Rate { per_second: 1.0, burst: 2 };
        let mut bucket = Bucket::default();
        assert_eq!([0, 0, 0].map(|now| bucket.take(rate, 1_000_000 + now)), [true, true, false]);
        assert_eq!([0, 1_000].map(|now| bucket.take(rate, now)), [false, true]);
        assert_eq!([0, 0, 0].map(|now| bucket.take(rate, 9_000_000 + now)), [true, true, false]);
    }
}
