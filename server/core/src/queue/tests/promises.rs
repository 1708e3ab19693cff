//! What the model knows beside order: how fast a queue may deliver, who may settle, what a consumer takes, and how many
//! messages are there.

use super::*;

/// What a history is held to beside what is owed.
pub(super) struct Promises {
    /// No faster than this.
    pub rate: Option<Rate>,
    /// Only the newest delivery settles.
    pub exactly_once: bool,
    /// What each consumer takes.
    pub windows: BTreeMap<ConsumerId, Window>,
    /// More than these push the oldest out.
    messages_max: Option<i64>,
    /// Logs have limits of their own.
    gives_up: bool,
    /// What is given up of each log, in this life.
    given_up: BTreeMap<LogId, Offset>,
    /// When each delivery of this life was made.
    sent_at: Vec<Millis>,
    /// The newest delivery of each message.
    newest: BTreeMap<(LogId, Offset), u64>,
    /// Settled for good, by an ack that is on disk.
    done: BTreeSet<(LogId, Offset)>,
    /// Delivered by an earlier life: the ids still ack, also before their messages are read again.
    earlier: Vec<(LogId, Offset)>,
    /// Purged: their ids find them gone.
    purged: BTreeSet<(LogId, Offset)>,
    /// Messages and bytes, as one counts who is only told what comes and what leaves.
    depth: (i64, i64),
}

/// Not all of one size.
pub(super) fn bytes_of(offset: Offset) -> u32 {
    4 + (offset * 7 % 13) as u32
}

impl Promises {
    pub(super) fn new(seed: u64) -> Self {
        let rate = Rate { per_second: 0.5 + (seed % 4) as f64, burst: 1 + (seed / 3 % 3) as u32 };
        Self {
            rate: (seed % 3 == 1).then_some(rate),
            exactly_once: seed.is_multiple_of(5),
            messages_max: (seed % 4 == 3).then_some(3 + (seed / 4 % 5) as i64),
            gives_up: seed % 7 == 2,
            given_up: BTreeMap::new(),
            windows: BTreeMap::new(),
            sent_at: Vec::new(),
            newest: BTreeMap::new(),
            done: BTreeSet::new(),
            earlier: Vec::new(),
            purged: BTreeSet::new(),
            depth: (0, 0),
        }
    }

    pub(super) fn came(&mut self, offset: Offset) {
        self.depth.0 += 1;
        self.depth.1 += i64::from(bytes_of(offset));
    }

    pub(super) fn left(&mut self, freed: Freed) {
        self.depth.0 -= freed.messages as i64;
        self.depth.1 -= freed.bytes as i64;
    }

    pub(super) fn begin_life(&mut self) {
        self.sent_at.clear();
        self.newest.clear();
        self.windows.clear();
        self.purged.clear();
        self.given_up.clear();
    }

    pub(super) fn is_given_up(&self, (log, offset): (LogId, Offset)) -> bool {
        self.given_up.get(&log).is_some_and(|below| offset < *below)
    }

    pub(super) fn sent(&mut self, assignment: &Assignment, now: Millis) {
        self.newest.insert((assignment.log, assignment.offset), assignment.delivery);
        self.sent_at.push(now);
        let Some(rate) = self.rate else { return };
        for (before, since) in self.sent_at.iter().enumerate() {
            let allowed = f64::from(rate.burst) + rate.per_second * (now - since) as f64 / 1_000.0;
            let count = self.sent_at.len() - before;
            assert!(count as f64 <= allowed + 1e-6, "{count} went out faster than {rate:?} since {since}, now {now}");
        }
    }

    /// An ack is on disk: whoever asked for the message at most once gets it now.
    pub(super) fn done(&mut self, key: (LogId, Offset)) {
        assert!(self.done.insert(key), "settled twice: {key:?}");
    }

    pub(super) fn sought(&mut self, log: LogId) {
        self.done.retain(|(of, _)| *of != log);
        self.purged.retain(|(of, _)| *of != log);
    }

    pub(super) fn is_purged(&self, key: (LogId, Offset)) -> bool {
        self.purged.contains(&key)
    }

    pub(super) fn forget_ids(&mut self, log: LogId) {
        self.earlier.retain(|(of, _)| *of != log);
    }

    pub(super) fn check_empty(&self) {
        assert_eq!(self.depth, (0, 0), "the count of what is there has drifted");
    }
}

impl World {
    /// What is not settled, message by message.
    fn naive_depth(&self) -> (i64, i64) {
        let is_there =
            |m: &&Published| m.matches && !self.machine.cursor(m.log).is_some_and(|c| c.is_settled(m.offset));
        let there = self.published.iter().filter(is_there);
        there.fold((0, 0), |(messages, bytes), m| (messages + 1, bytes + i64::from(bytes_of(m.offset))))
    }

    pub(super) fn count_anew(&mut self) {
        self.promises.depth = self.naive_depth();
    }

    /// Nothing is taken off the count twice; where all has been read nothing is missing from it either.
    pub(super) fn check_depth(&self) {
        let (naive, freed) = (self.naive_depth(), self.machine.freed());
        let depth = (self.promises.depth.0 - freed.messages as i64, self.promises.depth.1 - freed.bytes as i64);
        assert!(depth.0 >= naive.0 && depth.1 >= naive.1, "{depth:?} are counted of {naive:?} that are there");
        if self.ordering != Ordering::Key && self.offered == self.published.len() && !self.machine.far.has_settled() {
            assert_eq!(depth, naive, "the count of what is there has drifted");
        }
    }

    /// The queue has a limit, and the oldest go.
    pub(super) fn drop_overflow(&mut self) {
        let Some(max) = self.promises.messages_max else { return };
        let excess = self.promises.depth.0 - self.machine.freed().messages as i64 - max;
        let before = self.machine.freed().messages;
        self.machine.drop_oldest(excess, 0);
        let dropped = (self.machine.freed().messages - before) as i64;
        assert!(dropped <= excess.max(0), "{dropped} go of {excess} too many");
        let letters = self.machine.dead_letters.iter().rev().take(dropped as usize);
        let newest = letters.map(|letter| self.commit_of(letter.log, letter.offset)).max();
        let unread = self.machine.keys.first_unread();
        for message in self.published[..self.offered].iter().filter(|m| self.waits(m)) {
            let has_to_be_read = unread.is_some_and(|unread| unread <= (message.commit, message.log, message.offset));
            assert!(newest.is_none_or(|newest| message.commit > newest), "{message:?} stays, later ones go");
            assert!(dropped >= excess || has_to_be_read, "{message:?} stays, {dropped} of {excess} go");
        }
    }

    /// A log is over its own limits: what stands before some place goes, now or when it comes back.
    pub(super) fn give_up(&mut self) {
        if !self.promises.gives_up {
            return;
        }
        let log = LOGS[self.seed.below(2) as usize];
        let end = self.published.iter().filter(|m| m.log == log).count() as u64;
        let below = self.seed.below(end + 1);
        self.machine.give_up_below(log, below);
        while self.machine.drop_given_up() {}
        let known = self.promises.given_up.entry(log).or_default();
        *known = below.max(*known);
        self.check_given_up();
    }

    /// What was given up is neither ready nor parked.
    pub(super) fn check_given_up(&self) {
        let read = self.published[..self.offered].iter();
        for message in read.filter(|m| self.promises.is_given_up((m.log, m.offset)) && self.waits(m)) {
            let place = (message.commit, message.log, message.offset);
            let is_ready = self.machine.ready.contains_key(&place);
            assert!(!is_ready && !self.machine.keys.is_parked(message.key, place), "{message:?} is still there");
        }
    }

    /// True if a message may go out, or waits for another one of its key.
    fn waits(&self, message: &Published) -> bool {
        let key = (message.log, message.offset);
        let is_settled = self.machine.cursor(message.log).is_some_and(|cursor| cursor.is_settled(message.offset));
        let is_elsewhere = self.machine.held.contains_key(&key)
            || self.machine.waiting.contains_key(&key)
            || self.machine.far.contains(key);
        message.matches && !is_settled && !is_elsewhere
    }

    /// Who got something has not more than it takes.
    pub(super) fn check_windows(&self, served: &BTreeSet<ConsumerId>) {
        for consumer in served {
            let held = self.held.iter().filter(|held| held.consumer == *consumer && self.is_with(held));
            let (messages, bytes) =
                held.fold((0, 0), |(messages, bytes), held| (messages + 1, bytes + u64::from(bytes_of(held.offset))));
            let window = self.promises.windows[consumer];
            let fits = messages <= window.messages && (messages == 1 || bytes <= window.bytes);
            assert!(fits, "{messages} messages, {bytes} bytes for {window:?}");
        }
    }

    pub(super) fn keep_ids(&mut self) {
        self.promises.earlier.extend(self.held.iter().map(|held| (held.log, held.offset)));
    }

    pub(super) fn ack_of_earlier_life(&mut self) {
        let Some(index) = self.any(self.promises.earlier.len()) else { return };
        let key = self.promises.earlier.swap_remove(index);
        if self.promises.exactly_once {
            assert_ne!(self.machine.ack_newest(key, 0), SettleStatus::Ok, "an ack of an earlier life settles");
            return;
        }
        match self.machine.ack(key.0, key.1) {
            SettleStatus::Ok => self.acks_taken.push(key),
            SettleStatus::AlreadySettled => {}
            SettleStatus::Gone if self.may_be_gone(key) => {}
            other => panic!("an ack got {other:?}"),
        }
    }

    /// All of a log goes that nobody holds, whether it has been read or not.
    pub(super) fn purge(&mut self) {
        let log = LOGS[self.seed.below(2) as usize];
        let end = self.published.iter().filter(|m| m.log == log).count() as u64;
        self.hand_in();
        let goes = |machine: &QueueMachine, key: &(LogId, Offset)| {
            key.0 == log && !machine.held.contains_key(key) && !machine.cursor(log).is_some_and(|c| c.is_settled(key.1))
        };
        let gone: Vec<_> = self.owed.keys().filter(|key| goes(&self.machine, key)).copied().collect();
        self.machine.purge(log, end);
        self.promises.purged.extend(&gone);
        self.machine.forget_unread();
        self.count_anew();
        if let Some(outbox) = self.machine.take_outbox() {
            self.committing.push((outbox, std::mem::take(&mut self.acks_taken), Moved::Purged(gone)));
        }
    }

    /// An ack may find that its message has expired, or was purged.
    pub(super) fn may_be_gone(&self, key: (LogId, Offset)) -> bool {
        self.owed[&key].expires <= self.now || self.promises.is_purged(key)
    }

    /// Just what lies before a point, and what was settled then, is done with.
    pub(super) fn check_sought(&self, log: LogId, floor: Offset, settled: &[(Offset, Offset)]) {
        let end = self.published.iter().filter(|m| m.log == log).count() as u64;
        for offset in 0..end {
            let is_done = offset < floor || settled.iter().any(|(from, to)| (*from..*to).contains(&offset));
            let is_settled = self.machine.cursor(log).is_some_and(|cursor| cursor.is_settled(offset));
            assert_eq!(is_settled, is_done, "{offset} after a seek to {floor} and {settled:?}");
        }
    }

    /// Settles one delivery for good, or not at all: of an exactly-once queue, or for who wants it at most once.
    pub(super) fn take(&mut self, index: usize) {
        let held = self.held.swap_remove(index);
        let key = (held.log, held.offset);
        let is_with = self.is_with(&held);
        let status = self.machine.ack_newest(key, held.delivery);
        assert_eq!(status == SettleStatus::Ok, is_with, "{held:?} settles as {status:?}");
        match status {
            SettleStatus::Ok => {
                assert_eq!(self.promises.newest[&key], held.delivery, "an older delivery was acked");
                self.acks_taken.push(key);
            }
            SettleStatus::LeaseLost | SettleStatus::AlreadySettled => {}
            SettleStatus::Gone if self.may_be_gone(key) => {}
            other => panic!("an ack got {other:?}"),
        }
    }
}
