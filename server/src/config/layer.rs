//! Where settings come from: flags, the environment, a file. Each is a list of keys and texts, with what to call it in an error.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::ConfigError;

/// Where one value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// A variable of the environment.
    Environment,
    /// A file.
    File(PathBuf),
    /// Nobody set it.
    Default,
}

impl Source {
    /// The source as a person knows it.
    pub(super) fn of(&self, key: &str) -> String {
        match self {
            Self::Flag => format!("flag --{}", key.replace('_', "-")),
            Self::Environment => format!("environment variable {PREFIX}{}", key.to_ascii_uppercase()),
            Self::File(path) => format!("key `{key}` in {}", path.display()),
            Self::Default => "default".into(),
        }
    }
}

/// One value as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub text: String,
    pub source: Source,
}

/// The settings of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layer {
    pub(super) values: BTreeMap<String, Given>,
}

const PREFIX: &str = "FERRYMQ_";

/// Variables that are not settings of the broker: the client's URL, and where the file is.
const OTHER_VARIABLES: [&str; 2] = ["FERRYMQ_URL", "FERRYMQ_CONFIG"];

impl Layer {
    /// From the command line: the keys are those of the file; what is not given is none.
    pub fn from_flags<'a>(flags: impl IntoIterator<Item = (&'a str, Option<String>)>) -> Self {
        let mut layer = Self::default();
        for (key, text) in flags {
            if let Some(text) = text {
                layer.set(key, text, Source::Flag);
            }
        }
        layer
    }

    /// From `FERRYMQ_*` variables.
    ///
    /// # Errors
    /// If a name or value of one is not UTF-8.
    pub fn from_env(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        for (name, value) in variables {
            let shown = name.to_string_lossy().into_owned();
            let Some(key) = shown.strip_prefix(PREFIX) else { continue };
            if OTHER_VARIABLES.contains(&shown.as_str()) || is_service_link(&shown, &value) {
                continue;
            }
            let key = key.to_ascii_lowercase();
            let text = value.into_string().map_err(|value| ConfigError {
                setting: key.clone(),
                given_in: format!("environment variable {shown}"),
                value: Some(value.to_string_lossy().into_owned()),
                rule: "must be UTF-8".into(),
            })?;
            layer.set(&key, text, Source::Environment);
        }
        Ok(layer)
    }

    /// From a TOML file.
    ///
    /// # Errors
    /// If it cannot be read, is no TOML, or has a value that is neither text nor a whole number nor true or false.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let wrong = |rule: String| ConfigError {
            setting: "config".into(),
            given_in: "the file of settings".into(),
            value: Some(path.display().to_string()),
            rule,
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| wrong(format!("is no TOML: {error}")))?;
        let mut layer = Self::default();
        for (key, value) in table {
            let source = Source::File(path.to_owned());
            let Some(text) = text_of(&value) else {
                let rule = "must be a text, a whole number, true or false".into();
                return Err(ConfigError {
                    given_in: source.of(&key),
                    setting: key,
                    value: Some(value.to_string()),
                    rule,
                });
            };
            layer.set(&key, text, source);
        }
        Ok(layer)
    }

    fn set(&mut self, key: &str, text: String, source: Source) {
        self.values.insert(key.to_owned(), Given { text, source });
    }
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Kubernetes tells each container of a service called `ferrymq` where that is, in variables of these names.
fn is_service_link(name: &str, value: &std::ffi::OsStr) -> bool {
    let is_address = value.to_str().is_some_and(|value| value.contains("://"));
    let of_port = name.rsplit_once("_PORT_").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && is_address)
        || of_port
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("environment"),
            // In a comment of --print-config, which has one line.
            Self::File(path) => write!(f, "{}", path.display().to_string().escape_debug()),
            Self::Default => f.write_str("default"),
        }
    }
}
