//! The broker, and what measures it.

use std::path::PathBuf;

use clap::Args;

/// `ferrymq serve`. What is not given comes from the environment (FERRYMQ_*), the file, or the default, in that order;
/// `--print-config` prints the settings that have no flag too.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// Where the data is kept. Default: ferrymq-data.
    #[arg(long, conflicts_with = "ephemeral")]
    pub data: Option<String>,
    /// Address to listen on. Default: 127.0.0.1:7171; port 0: any that is free.
    #[arg(long)]
    pub listen: Option<String>,
    /// A TOML file with settings.
    #[arg(long, env = "FERRYMQ_CONFIG")]
    pub config: Option<PathBuf>,
    /// Print every setting and its value as a TOML file, and stop.
    #[arg(long)]
    pub print_config: bool,
    /// Keep everything in memory: gone when it stops.
    #[arg(long)]
    pub ephemeral: bool,
    /// Write the bound address here once ready.
    #[arg(long)]
    pub port_file: Option<String>,
    /// Refuse publishes once the data takes this much, e.g. 10GiB.
    #[arg(long)]
    pub disk_limit: Option<String>,
    /// Listen beyond this machine though nobody has to say who they are.
    #[arg(long)]
    pub allow_anonymous: bool,
    /// What to log: error, warn, info, debug, trace, or by part, e.g. info,ferrymq_server=debug. Default: info.
    #[arg(long)]
    pub log: Option<String>,
    /// How to write the log: text or json. Default: text.
    #[arg(long)]
    pub log_format: Option<String>,
    /// How long streams may take to end when the broker stops, e.g. 10s.
    #[arg(long)]
    pub drain_timeout: Option<String>,
}

/// `ferrymq bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// How long in all, about: each measurement takes a thirtieth of it, also with --only.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Measure memory, disk and restart with a large backlog instead. Takes some minutes.
    #[arg(long, conflicts_with_all = ["only", "payload", "seconds"])]
    pub space: bool,
    /// Measure the most memory that a broker takes instead, where there is very much of something: queues, messages, unsettled
    /// ones, nacked ones, keys, broadcasts. Takes some minutes and up to 3 GiB of disk.
    #[arg(long, conflicts_with_all = ["space", "payload", "seconds"])]
    pub memory: bool,
    /// How large a backlog --space makes, such as 5GiB.
    #[arg(long, default_value = "5GiB", value_parser = crate::values::bytes, requires = "space")]
    pub backlog: u64,
    /// Measure only the scenarios whose name contains this, such as `stream` or `through`; with --memory `nacked` or `keys`.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Measure only payloads of so many bytes, 8 to 1MiB, instead of 100 and 1024.
    #[arg(long, value_name = "BYTES", value_parser = crate::values::payload_bytes)]
    pub payload: Option<u32>,
    /// Where the raw disk is measured, and the data of an own broker goes.
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
}
