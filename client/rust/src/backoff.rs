//! How long to wait before trying again.

use std::time::Duration;

use rand::Rng as _;

const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(10);

/// 100 ms, doubled with each failure up to 10 s, a fifth more or less at random so that clients do not come back all at once.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// What was tried worked: the next failure is the first again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// After one more failure; not shorter than what the broker asked for.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16)).min(MOST);
        self.failures += 1;
        let spread = rand::rng().random_range(0.8..=1.2);
        doubled.mul_f64(spread).max(asked.unwrap_or_default().min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_bound_and_begins_anew_after_success() {
        let mut backoff = Backoff::default();
        let about = |wait: Duration, seconds: f64| (wait.as_secs_f64() / seconds - 1.0).abs() < 0.21;
        for seconds in [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0] {
            assert!(about(backoff.next(None), seconds), "{seconds}");
        }
        assert!((0..100).all(|_| about(backoff.next(None), 10.0)));
        backoff.reset();
        assert!(about(backoff.next(None), 0.1));
        assert_eq!(backoff.next(Some(Duration::from_secs(2))), Duration::from_secs(2));
    }
}
