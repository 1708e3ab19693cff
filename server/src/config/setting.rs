//! One setting: its key, its default, what it is for and how its text is read; and the look through the layers for its value.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::layer::{Given, Layer, Source};
use super::units::{parse_bytes, parse_duration, show_bytes, show_duration};
use super::{ConfigError, Line};

/// What there is to know about a setting.
pub(super) struct Setting<T> {
    pub key: &'static str,
    pub default: &'static str,
    pub about: &'static str,
    pub read: fn(&str) -> Result<T, String>,
}

/// What stands for a setting that is not there, such as a limit that does not apply.
const NONE: &str = "none";

/// Looks through the layers, the first one first, and remembers what came out.
pub(super) struct Resolver {
    layers: Vec<Layer>,
    pub lines: Vec<Line>,
}

impl Resolver {
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { layers, lines: Vec::new() }
    }

    /// The value of a setting. Each setting has to be asked for once: what is left over is unknown.
    pub fn value<T>(&mut self, setting: &Setting<T>) -> Result<T, ConfigError> {
        let given = self.layers.iter().find_map(|layer| layer.values.get(setting.key)).cloned();
        let given = given.unwrap_or_else(|| Given { text: setting.default.into(), source: Source::Default });
        let value = (setting.read)(&given.text).map_err(|rule| ConfigError {
            setting: setting.key.into(),
            given_in: given.source.of(setting.key),
            value: Some(given.text.clone()),
            rule,
        })?;
        self.lines.push(Line {
            key: setting.key,
            about: setting.about,
            default: setting.default,
            text: given.text,
            source: given.source,
        });
        Ok(value)
    }

    /// Refuses what no setting asked for, wherever it was given.
    pub fn refuse_unknown(&self) -> Result<(), ConfigError> {
        let known = |key: &str| self.lines.iter().any(|line| line.key == key);
        let unknown = self.layers.iter().flat_map(|layer| &layer.values).find(|(key, _)| !known(key));
        let Some((key, given)) = unknown else { return Ok(()) };
        let closest = self.lines.iter().map(|line| line.key).min_by_key(|there| edits(key, there));
        let meant = closest.filter(|there| edits(key, there) <= 1 + key.len() / 4);
        let rule = match meant {
            Some(there) => format!("is no setting; did you mean {}?", given.source.of(there)),
            None => "is no setting; `ferrymq serve --print-config` prints them all".into(),
        };
        Err(ConfigError { setting: key.clone(), given_in: given.source.of(key), value: None, rule })
    }
}

/// The number of letters to add, take away or change to get from one word to the other (Levenshtein's distance).
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

// How texts are read. The error is the rule that the text breaks.

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("must not be empty".into()) } else { Ok(text.into()) }
}

pub(super) fn optional<T>(text: &str, read: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text == NONE { Ok(None) } else { read(text).map(Some).map_err(|rule| format!("{rule}, or {NONE}")) }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an IP address and a port: 127.0.0.1:7171, [::1]:7171".into())
}

/// Origins as browsers send them.
pub(super) fn origins(text: &str) -> Result<Vec<String>, String> {
    let origins: Vec<_> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
    let rule =
        "must be origins as browsers send them, with commas between: https://app.example.com, http://localhost:5173";
    if origins.iter().all(|origin| is_origin(origin)) { Ok(origins) } else { Err(rule.into()) }
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(is_allowed)
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "must be true or false".into())
}

pub(super) fn bytes(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let bytes = parse_bytes(text)?;
    if (min..=max).contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!("must be from {} to {}", show_bytes(min), show_bytes(max)))
}

/// Bytes that are held in memory.
pub(super) fn memory(text: &str, min: u64, max: u64) -> Result<usize, String> {
    usize::try_from(bytes(text, min, max)?).map_err(|_| "is more than this machine can address".into())
}

pub(super) fn duration(text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if (min..=max).contains(&duration) {
        return Ok(duration);
    }
    Err(format!("must be from {} to {}", show_duration(min), show_duration(max)))
}

pub(super) fn count(text: &str, min: u32, max: u32) -> Result<u32, String> {
    let number = text.trim().parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("must be a whole number from {min} to {max}"))
}
