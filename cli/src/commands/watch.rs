//! `ferrymq stats --watch`: a table that is drawn anew on a terminal, a line for each number's owner elsewhere.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::SystemTime;

use ferrymq_client::v1::{BrokerStats, QueueStats, TopicStats, WatchStatsResponse};

use super::Context;
use super::stop::Stop;
use crate::args::StatsArgs;
use crate::failure::Failure;
use crate::screen::Screen;
use crate::{human, json, output};

const TOPIC_HEADINGS: [&str; 6] = ["TOPIC", "MESSAGES", "SIZE", "QUEUES", "IN/S", "UNROUTABLE"];
const QUEUE_HEADINGS: [&str; 10] =
    ["QUEUE", "READY", "SIZE", "UNSETTLED", "BACKING OFF", "CONSUMERS", "OLDEST", "IN/S", "ACKED/S", "REJECTED"];

/// Shows numbers as they come.
pub async fn run(args: StatsArgs, context: &Context) -> Result<(), Failure> {
    let mut responses = context.client.watch_stats(args.topics, args.queues, args.every).await?;
    let mut screen = Screen::of_stdout();
    let mut stop = Stop::listen();
    let (mut left, mut last) = (args.count.unwrap_or(u64::MAX), None);
    while left > 0 {
        let response = tokio::select! {
            response = responses.message() => response.map_err(ferrymq_client::Error::from)?,
            () = stop.asked() => None,
        };
        let Some(response) = response else { break };
        left -= 1;
        if context.json {
            output::value(&json::of("WatchStatsResponse", &response), true)?;
            continue;
        }
        let sight = Sight { last: last.as_ref(), now: &response };
        match &mut screen {
            Some(screen) => screen.draw(&sight.tables())?,
            None => io::stdout().lock().write_all(sight.lines().as_bytes())?,
        }
        last = Some(response);
    }
    Ok(())
}

/// What is there, and what was there before.
struct Sight<'a> {
    last: Option<&'a WatchStatsResponse>,
    now: &'a WatchStatsResponse,
}

impl Sight<'_> {
    /// Of a number that only grows: by how much each second. Unknown at first.
    fn rate(&self, number: impl Fn(&WatchStatsResponse) -> Option<i64>) -> Option<f64> {
        let last = self.last?;
        let passed = time(self.now)?.duration_since(time(last)?).ok().filter(|passed| !passed.is_zero())?;
        let grown = number(self.now)?.saturating_sub(number(last)?).max(0);
        Some(grown as f64 / passed.as_secs_f64())
    }

    fn of_broker(&self, number: impl Fn(&BrokerStats) -> i64) -> Option<f64> {
        self.rate(|response| response.broker.as_ref().map(&number))
    }

    fn of_topic(&self, name: &str, number: impl Fn(&TopicStats) -> i64) -> Option<f64> {
        self.rate(|response| response.topics.get(name).map(&number))
    }

    fn of_queue(&self, name: &str, number: impl Fn(&QueueStats) -> i64) -> Option<f64> {
        self.rate(|response| response.queues.get(name).map(&number))
    }

    fn tables(&self) -> String {
        let mut text = format!("{}\n", self.heading());
        let topics: Vec<_> = sorted(&self.now.topics).map(|(name, stats)| self.topic(name, stats)).collect();
        let queues: Vec<_> = sorted(&self.now.queues).map(|(name, stats)| self.queue(name, stats)).collect();
        for (headings, rows) in [(&TOPIC_HEADINGS[..], topics), (&QUEUE_HEADINGS[..], queues)] {
            if !rows.is_empty() {
                text.push('\n');
                text.push_str(&output::table_text(headings, &rows, true));
            }
        }
        text
    }

    fn heading(&self) -> String {
        let broker = self.now.broker.unwrap_or_default();
        format!(
            "{}  published {}/s  delivered {}/s  acked {}/s  consumers {}  disk {}",
            when(self.now),
            shown(self.of_broker(|stats| stats.published)),
            shown(self.of_broker(|stats| stats.delivered)),
            shown(self.of_broker(|stats| stats.acked)),
            human::count(broker.consumers),
            human::size(broker.disk_used_bytes),
        )
    }

    fn topic(&self, name: &str, stats: &TopicStats) -> Vec<String> {
        vec![
            name.to_owned(),
            human::count(stats.messages),
            human::size(stats.bytes),
            human::count(stats.queues),
            shown(self.of_topic(name, |stats| stats.published)),
            human::count(stats.unroutable),
        ]
    }

    fn queue(&self, name: &str, stats: &QueueStats) -> Vec<String> {
        let mut row = vec![name.to_owned()];
        row.extend(human::standing(stats));
        row.push(shown(self.of_queue(name, |stats| stats.received)));
        row.push(shown(self.of_queue(name, |stats| stats.acked)));
        row.push(human::count(stats.rejected));
        row
    }

    /// `TIME queue NAME ready=3 ...`: to be searched and cut by other programs.
    fn lines(&self) -> String {
        let (time, broker) = (when(self.now), self.now.broker.unwrap_or_default());
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{time} broker published={} delivered={} acked={} consumers={} disk_used_bytes={}",
            broker.published, broker.delivered, broker.acked, broker.consumers, broker.disk_used_bytes,
        );
        for (name, stats) in sorted(&self.now.topics) {
            let _ = writeln!(
                text,
                "{time} topic {name} messages={} bytes={} queues={} published={} unroutable={}",
                stats.messages, stats.bytes, stats.queues, stats.published, stats.unroutable,
            );
        }
        for (name, stats) in sorted(&self.now.queues) {
            let _ = writeln!(
                text,
                "{time} queue {name} ready={} ready_bytes={} unsettled={} backing_off={} consumers={} oldest={} received={} acked={} \
                 rejected={}",
                stats.ready,
                stats.ready_bytes,
                stats.unsettled,
                stats.backing_off,
                stats.consumers,
                human::oldest(stats).replace(' ', ""),
                stats.received,
                stats.acked,
                stats.rejected,
            );
        }
        text
    }
}

fn sorted<T>(stats: &std::collections::HashMap<String, T>) -> impl Iterator<Item = (&String, &T)> {
    let mut all: Vec<_> = stats.iter().collect();
    all.sort_by_key(|(name, _)| *name);
    all.into_iter()
}

fn time(response: &WatchStatsResponse) -> Option<SystemTime> {
    SystemTime::try_from(response.time?).ok()
}

fn when(response: &WatchStatsResponse) -> String {
    response.time.map(|time| prost_types::Timestamp { nanos: 0, ..time }.to_string()).unwrap_or_default()
}

fn shown(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| human::count(rate.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, received: i64) -> WatchStatsResponse {
        let queue = QueueStats { ready: 1_200, received, ready_bytes: 2_048, ..QueueStats::default() };
        WatchStatsResponse {
            time: Some(prost_types::Timestamp { seconds, nanos: 5 }),
            broker: Some(BrokerStats { published: received, ..BrokerStats::default() }),
            queues: [("b".to_owned(), queue), ("a".to_owned(), queue)].into(),
            ..WatchStatsResponse::default()
        }
    }

    #[test]
    fn a_table_has_rates_from_the_second_time_on() {
        let (first, second) = (at(1_795_176_000, 100), at(1_795_176_002, 3_100));
        let sight = Sight { last: None, now: &first };
        assert!(sight.tables().starts_with("2026-11-20T12:00:00Z  published -/s"), "{}", sight.tables());
        let text = Sight { last: Some(&first), now: &second }.tables();
        let rows: Vec<&str> = text.lines().filter(|line| line.contains("1,200")).collect();
        assert!(text.contains("published 1,500/s"), "{text}");
        assert!(rows[0].starts_with("a ") && rows[0].contains("2.0 KiB") && rows[0].contains("1,500"), "{text}");
        assert!(rows.len() == 2 && !text.contains("TOPIC"), "{text}");
    }

    #[test]
    fn lines_are_whole_by_themselves() {
        let now = at(1_795_176_000, 100);
        let text = Sight { last: None, now: &now }.lines();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("2026-11-20T12:00:00Z queue a ready=1200 ready_bytes=2048 "), "{text}");
        assert!(lines.len() == 3 && lines[1].contains(" oldest=- received=100 "), "{text}");
    }

    #[test]
    fn a_broker_that_began_anew_has_no_negative_rate() {
        let (before, after) = (at(10, 100), at(11, 5));
        let sight = Sight { last: Some(&before), now: &after };
        assert_eq!(sight.of_queue("a", |stats| stats.received), Some(0.0));
    }
}
