//! Brokers by name, in a file of the person who types.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

const DEFAULT_URL: &str = "http://127.0.0.1:7171";
const URL_VARIABLE: &str = "FERRYMQ_URL";

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contexts {
    /// The name of the one in use.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub used: Option<String>,
    /// By name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub contexts: BTreeMap<String, Broker>,
}

/// One broker.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// `http://HOST:PORT`.
    pub url: String,
}

/// The file: in `XDG_CONFIG_HOME`, else in `.config` of the home directory.
pub fn file() -> Result<PathBuf, Failure> {
    let set = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    let config = config.ok_or_else(|| Failure::other("neither XDG_CONFIG_HOME nor HOME is set"))?;
    Ok(config.join("ferrymq").join("contexts.toml"))
}

/// The broker that is named by `--url`, else `--context`, else FERRYMQ_URL; else none is.
pub fn url_told(url: Option<String>, context: Option<&str>) -> Result<Option<String>, Failure> {
    match (url, context) {
        (Some(url), _) => Ok(Some(url)),
        (None, Some(name)) => Contexts::read(&file()?)?.url(name).map(Some),
        (None, None) => Ok(env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty())),
    }
}

/// The same, else the context in use, else the default.
pub fn url(url: Option<String>, context: Option<&str>) -> Result<String, Failure> {
    if let Some(url) = url_told(url, context)? {
        return Ok(url);
    }
    // Without a home there is no file, and nothing in use.
    let contexts = file().ok().map(|file| Contexts::read(&file)).transpose()?.unwrap_or_default();
    contexts.used.as_ref().map_or_else(|| Ok(DEFAULT_URL.to_owned()), |name| contexts.url(name))
}

impl Contexts {
    /// What the file says; nothing if there is none.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        match std::fs::read_to_string(file) {
            Ok(text) => toml::from_str(&text).map_err(|e| Failure::usage(format!("{}: {e}", file.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::other(format!("cannot read {}: {error}", file.display()))),
        }
    }

    /// Replaces the file as a whole: who reads it meanwhile sees the old or the new one.
    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        let failed =
            |error: &dyn std::fmt::Display| Failure::other(format!("cannot write {}: {error}", file.display()));
        let text = toml::to_string(self).map_err(|error| failed(&error))?;
        let directory = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(|error| failed(&error))?;
        let mut new = tempfile::NamedTempFile::new_in(directory).map_err(|error| failed(&error))?;
        new.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
        new.persist(file).map(drop).map_err(|error| failed(&error))
    }

    /// The URL of one.
    pub fn url(&self, name: &str) -> Result<String, Failure> {
        self.contexts.get(name).map(|broker| broker.url.clone()).ok_or_else(|| self.unknown(name))
    }

    /// What is said of a name that is none.
    pub fn unknown(&self, name: &str) -> Failure {
        let names: Vec<_> = self.contexts.keys().map(String::as_str).collect();
        let hint = match names.is_empty() {
            true => format!("ferrymq context add {name} http://HOST:PORT"),
            false => format!("there are {}", names.join(", ")),
        };
        Failure::not_found(format!("context `{name}` not found")).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Contexts {
        let broker = |url: &str| Broker { url: url.to_owned() };
        let contexts = [("a".to_owned(), broker("http://a:1")), ("b".to_owned(), broker("http://b:1"))];
        Contexts { used: Some("b".into()), contexts: contexts.into() }
    }

    #[test]
    fn what_is_written_is_read() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("new").join("contexts.toml");
        assert_eq!(Contexts::read(&file).unwrap(), Contexts::default());
        two().write(&file).unwrap();
        assert_eq!(Contexts::read(&file).unwrap(), two());
        Contexts::default().write(&file).unwrap();
        assert_eq!(Contexts::read(&file).unwrap(), Contexts::default());
    }

    #[test]
    fn a_file_that_says_something_else_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("contexts.toml");
        for bad in ["current = \"a\"", "[contexts.a]\naddress = \"x\"", "use ="] {
            std::fs::write(&file, bad).unwrap();
            assert!(Contexts::read(&file).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_that_is_none_says_which_there_are() {
        assert_eq!(two().url("a").unwrap(), "http://a:1");
        let failure = two().url("c").unwrap_err();
        assert_eq!((failure.exit_code(), failure.fix()), (3, Some("there are a, b")));
    }
}
