//! Configuration: flag, then environment (`FERRYMQ_*`), then file, then default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One layer of settings; what is not set is for the next one. The names are those of the file's keys, of the flags (with `-`)
/// and of the environment (`FERRYMQ_` and capitals).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigLayer {
    /// The data directory. Default `./ferrymq-data`.
    pub data: Option<PathBuf>,
    /// Where to listen. Default `127.0.0.1:7171`.
    pub listen: Option<SocketAddr>,
    /// Keep everything in memory. Default false.
    pub ephemeral: Option<bool>,
    /// Write the bound address into this file once ready.
    pub port_file: Option<PathBuf>,
    /// Most bytes the journal may take, e.g. `10GiB`. Default: what the disk has.
    pub disk_limit: Option<String>,
    /// Listen beyond loopback though there is no authentication. Default false.
    pub allow_anonymous: Option<bool>,
    /// What to log, e.g. `info` or `ferrymq_server=debug`. Default `info`.
    pub log: Option<String>,
    /// Seconds that streams may take to end when the broker stops, 0 to 3600. Default 10.
    pub drain_timeout_s: Option<u64>,
}

/// The whole configuration.
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
    /// Seconds that streams may take to end.
    pub drain_timeout_s: u64,
    /// All that was resolved, to be printed.
    resolved: ConfigLayer,
}

/// What is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {key}: {rule}")]
pub struct ConfigError {
    /// Flag, environment or file.
    pub source_name: String,
    /// The setting.
    pub key: String,
    /// The rule that it breaks.
    pub rule: String,
}

fn error(source_name: &str, key: &str, rule: impl Into<String>) -> ConfigError {
    ConfigError { source_name: source_name.into(), key: key.into(), rule: rule.into() }
}

/// Variables that are not the broker's.
const CLIENT_VARIABLES: [&str; 2] = ["FERRYMQ_URL", "FERRYMQ_CONFIG"];

impl ConfigLayer {
    /// From `FERRYMQ_*` variables; an unknown one is an error.
    ///
    /// # Errors
    /// If a variable is unknown or its value is not what it should be.
    pub fn from_env(variables: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut table = toml::Table::new();
        for (name, value) in variables.filter(|(name, _)| !CLIENT_VARIABLES.contains(&name.as_str())) {
            let Some(key) = name.strip_prefix("FERRYMQ_") else { continue };
            let key = key.to_ascii_lowercase();
            let parsed = match key.as_str() {
                "ephemeral" | "allow_anonymous" => value.parse().map(toml::Value::Boolean).ok(),
                "drain_timeout_s" => value.parse().map(toml::Value::Integer).ok(),
                _ => Some(toml::Value::String(value)),
            };
            table.insert(key, parsed.ok_or_else(|| error("environment", &name, "is not a value of its type"))?);
        }
        table.try_into().map_err(|e: toml::de::Error| error("environment", "FERRYMQ_*", e.message().to_owned()))
    }

    /// From a TOML file; an unknown key is an error.
    ///
    /// # Errors
    /// If it cannot be read, or is not what it should be.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| error(&name, "file", e.to_string()))?;
        toml::from_str(&text).map_err(|e| error(&name, "file", e.to_string()))
    }

    /// What is set here, and the rest of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            data: self.data.or(other.data),
            listen: self.listen.or(other.listen),
            ephemeral: self.ephemeral.or(other.ephemeral),
            port_file: self.port_file.or(other.port_file),
            disk_limit: self.disk_limit.or(other.disk_limit),
            allow_anonymous: self.allow_anonymous.or(other.allow_anonymous),
            log: self.log.or(other.log),
            drain_timeout_s: self.drain_timeout_s.or(other.drain_timeout_s),
        }
    }
}

impl Config {
    /// Fills in the defaults and checks the whole.
    ///
    /// # Errors
    /// The setting and the rule that it breaks.
    pub fn resolve(flags: ConfigLayer, environment: ConfigLayer, file: ConfigLayer) -> Result<Self, ConfigError> {
        let given = flags.or(environment).or(file);
        let ephemeral = given.ephemeral.unwrap_or(false);
        if ephemeral && given.data.is_some() {
            return Err(error("configuration", "ephemeral", "not together with data"));
        }
        let listen = given.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7171)));
        if !listen.ip().is_loopback() && given.allow_anonymous != Some(true) {
            let rule =
                format!("{listen} is beyond this machine, and there is no authentication yet: set allow_anonymous");
            return Err(error("configuration", "listen", rule));
        }
        let disk_limit = given.disk_limit.as_deref().map(parse_bytes).transpose()?;
        let drain_timeout_s = given.drain_timeout_s.unwrap_or(10);
        if drain_timeout_s > 3_600 {
            return Err(error("configuration", "drain_timeout_s", "must be from 0 to 3600"));
        }
        let data = (!ephemeral).then(|| given.data.clone().unwrap_or_else(|| PathBuf::from("ferrymq-data")));
        let log = given.log.clone().unwrap_or_else(|| "info".into());
        let resolved = ConfigLayer {
            data: data.clone(),
            listen: Some(listen),
            ephemeral: Some(ephemeral),
            log: Some(log.clone()),
            drain_timeout_s: Some(drain_timeout_s),
            ..given.clone()
        };
        Ok(Self { data, listen, port_file: given.port_file, disk_limit, log, drain_timeout_s, resolved })
    }

    /// As a file that gives the same configuration.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.resolved).unwrap_or_default()
    }
}

/// Bytes of `10GiB`, `512MiB`, `1000`, ...
///
/// # Errors
/// If it is no such number.
pub fn parse_bytes(text: &str) -> Result<u64, ConfigError> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("B", 0), ("", 0)];
    let parsed = units.iter().find_map(|(unit, shift)| {
        let number: u64 = text.trim().strip_suffix(unit)?.trim().parse().ok()?;
        number.checked_mul(1 << shift)
    });
    parsed.ok_or_else(|| error("configuration", "disk_limit", format!("`{text}` is not a size such as 10GiB")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Result<ConfigLayer, ConfigError> {
        ConfigLayer::from_env(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn a_flag_goes_before_the_environment_and_that_before_the_file() {
        let flags = ConfigLayer { log: Some("debug".into()), ..Default::default() };
        let environment = env(&[("FERRYMQ_LOG", "warn"), ("FERRYMQ_LISTEN", "127.0.0.1:1"), ("HOME", "/")]).unwrap();
        let file: ConfigLayer = toml::from_str("listen = '127.0.0.1:2'\ndisk_limit = '1GiB'").unwrap();
        let config = Config::resolve(flags, environment, file).unwrap();
        assert_eq!((config.log.as_str(), config.listen.port(), config.disk_limit), ("debug", 1, Some(1 << 30)));
        let again: ConfigLayer = toml::from_str(&config.to_toml()).unwrap();
        assert_eq!(Config::resolve(again, ConfigLayer::default(), ConfigLayer::default()).unwrap().listen.port(), 1);
    }

    #[test]
    fn unknown_keys_and_unsafe_addresses_are_refused() {
        assert!(env(&[("FERRYMQ_LISTN", "127.0.0.1:1")]).is_err());
        assert!(env(&[("FERRYMQ_EPHEMERAL", "perhaps")]).is_err());
        assert!(toml::from_str::<ConfigLayer>("listn = 1").is_err());
        let open = |allow_anonymous| {
            let flags = ConfigLayer { listen: Some(([0, 0, 0, 0], 1).into()), allow_anonymous, ..Default::default() };
            Config::resolve(flags, ConfigLayer::default(), ConfigLayer::default())
        };
        assert!(open(None).is_err() && open(Some(true)).is_ok());
        assert!(parse_bytes("10 GiB").is_ok() && parse_bytes("10GB").is_err() && parse_bytes("-1").is_err());
    }
}
