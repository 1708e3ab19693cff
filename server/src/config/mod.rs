//! Configuration: flag, then environment (`FERRYMQ_*`), then file, then default. A setting has one name everywhere: that of
//! the file's key, with `-` for `_` as a flag, in capitals behind `FERRYMQ_` as a variable.

mod layer;
mod setting;
mod table;
pub mod units;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use layer::{Layer, Source};
use setting::Resolver;
use table as t;

/// The whole configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// None: in memory.
    pub data: Option<PathBuf>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where to write the bound address.
    pub port_file: Option<PathBuf>,
    /// Most bytes the journal may take.
    pub disk_limit: Option<u64>,
    /// What to log.
    pub log: String,
    /// How to write the log.
    pub log_format: LogFormat,
    /// How long streams may take to end when the broker stops.
    pub drain_timeout: Duration,
    /// Most connections.
    pub connections_max: u32,
    /// Most connections from one IP address.
    pub connections_per_ip_max: u32,
    /// Most open streams of one connection.
    pub streams_per_connection_max: u32,
    /// How long a new connection may stay silent.
    pub first_bytes_timeout: Duration,
    /// How often a quiet connection is asked whether it is alive.
    pub keepalive_interval: Duration,
    /// How long its answer may take.
    pub keepalive_timeout: Duration,
    /// Origins whose pages may call with gRPC-Web. None: it is not spoken.
    pub web_origins: Option<Vec<String>>,
    /// Largest message, encoded.
    pub message_bytes_max: usize,
    /// Largest request.
    pub request_bytes_max: usize,
    /// Most items in one request.
    pub batch_items_max: usize,
    /// Most bytes of publishes that wait for their confirm.
    pub unconfirmed_bytes_max: usize,
    /// Most bytes of newest batches kept in memory.
    pub cache_bytes_max: usize,
    lines: Vec<Line>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one object on each line.
    Json,
}

/// One setting as it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    key: &'static str,
    about: &'static str,
    default: &'static str,
    text: String,
    source: Source,
}

/// What is wrong with the configuration: the setting, where it was given, the value, and the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The setting's key.
    pub setting: String,
    /// For people: the flag, the variable, or the key and its file.
    pub given_in: String,
    /// The value, if it is about one.
    pub value: Option<String>,
    /// The rule.
    pub rule: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}: `{value}` ({}) {}", self.setting, self.given_in, self.rule),
            None => write!(f, "{}: {} {}", self.setting, self.given_in, self.rule),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Takes each setting from the first layer that has it, or its default, and checks them.
    ///
    /// # Errors
    /// The setting, where it was given, its value and the rule that it breaks.
    pub fn resolve(layers: Vec<Layer>) -> Result<Self, ConfigError> {
        let mut from = Resolver::new(layers);
        let data = from.value(&t::DATA)?;
        let ephemeral = from.value(&t::EPHEMERAL)?;
        let listen = from.value(&t::LISTEN)?;
        let allow_anonymous = from.value(&t::ALLOW_ANONYMOUS)?;
        let mut config = Self {
            data: (!ephemeral).then_some(data),
            listen,
            port_file: from.value(&t::PORT_FILE)?,
            disk_limit: from.value(&t::DISK_LIMIT)?,
            log: from.value(&t::LOG)?,
            log_format: from.value(&t::LOG_FORMAT)?,
            drain_timeout: from.value(&t::DRAIN_TIMEOUT)?,
            connections_max: from.value(&t::CONNECTIONS_MAX)?,
            connections_per_ip_max: from.value(&t::CONNECTIONS_PER_IP_MAX)?,
            streams_per_connection_max: from.value(&t::STREAMS_PER_CONNECTION_MAX)?,
            first_bytes_timeout: from.value(&t::FIRST_BYTES_TIMEOUT)?,
            keepalive_interval: from.value(&t::KEEPALIVE_INTERVAL)?,
            keepalive_timeout: from.value(&t::KEEPALIVE_TIMEOUT)?,
            web_origins: from.value(&t::WEB_ORIGINS)?,
            message_bytes_max: from.value(&t::MESSAGE_BYTES)?,
            request_bytes_max: from.value(&t::REQUEST_BYTES)?,
            batch_items_max: from.value(&t::BATCH_ITEMS)? as usize,
            unconfirmed_bytes_max: from.value(&t::UNCONFIRMED_BYTES)?,
            cache_bytes_max: from.value(&t::CACHE_BYTES)?,
            lines: Vec::new(),
        };
        from.refuse_unknown()?;
        config.lines = from.lines;
        config.check(allow_anonymous)?;
        Ok(config)
    }

    /// What settings demand of each other.
    fn check(&self, allow_anonymous: bool) -> Result<(), ConfigError> {
        if self.data.is_none() && self.source(t::DATA.key) != Source::Default {
            return Err(self.invalid(t::DATA.key, "cannot be used together with `ephemeral`"));
        }
        if !self.listen.ip().is_loopback() && !allow_anonymous {
            let rule =
                "is beyond this machine, and there is no authentication yet: if that is meant, set allow_anonymous";
            return Err(self.invalid(t::LISTEN.key, rule));
        }
        if self.message_bytes_max > self.request_bytes_max {
            let rule =
                format!("must be at most request_bytes_max, {}", units::show_bytes(self.request_bytes_max as u64));
            return Err(self.invalid(t::MESSAGE_BYTES.key, rule));
        }
        Ok(())
    }

    fn source(&self, key: &str) -> Source {
        self.lines.iter().find(|line| line.key == key).map_or(Source::Default, |line| line.source.clone())
    }

    /// Says that the value of a setting breaks a rule that only its user knows.
    pub fn invalid(&self, key: &str, rule: impl Into<String>) -> ConfigError {
        let value = self.lines.iter().find(|line| line.key == key).map(|line| line.text.clone());
        ConfigError { setting: key.into(), given_in: self.source(key).of(key), value, rule: rule.into() }
    }

    /// As a file that gives the same configuration: each setting with what it is for, and where it was set.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let unused = if line.key == t::DATA.key && self.data.is_none() { "# " } else { "" };
            let value = toml_value(&line.text);
            let set = match &line.source {
                Source::Default => String::new(),
                source => format!("  # {source}; default {}", line.default),
            };
            // Writing to a text cannot fail.
            let _ = writeln!(text, "# {}\n{unused}{} = {value}{set}", line.about, line.key);
        }
        text
    }
}

/// The text as the file would have it: numbers, true and false bare.
fn toml_value(text: &str) -> toml::Value {
    if let Ok(flag) = text.parse() {
        return toml::Value::Boolean(flag);
    }
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => toml::Value::Integer(number),
        _ => toml::Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests;
