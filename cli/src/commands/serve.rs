//! `ferrymq serve`.

use std::io::{self, IsTerminal as _};

use ferrymq_server::ReadyInfo;
use ferrymq_server::config::{Config, ConfigError, ConfigLayer};
use tracing_subscriber::EnvFilter;

use crate::args::ServeArgs;
use crate::failure::Failure;

/// Runs the broker until it is told to stop.
pub async fn run(args: ServeArgs) -> Result<(), Failure> {
    let print = args.print_config;
    let config = configuration(args)?;
    if print {
        print!("{}", config.to_toml());
        return Ok(());
    }
    log(&config.log)?;
    let served = ferrymq_server::run(config, |info| greet(&info)).await;
    served.map_err(|error| Failure::other(error.to_string()))
}

fn configuration(args: ServeArgs) -> Result<Config, Failure> {
    let wrong = |error: ConfigError| Failure::usage(error.to_string());
    let environment = ConfigLayer::from_env(variables()).map_err(wrong)?;
    let file = args.config.as_deref().map(ConfigLayer::from_file).transpose().map_err(wrong)?;
    let flags = ConfigLayer {
        data: args.data,
        listen: args.listen,
        ephemeral: args.ephemeral.then_some(true),
        port_file: args.port_file,
        disk_limit: args.disk_limit,
        allow_anonymous: args.allow_anonymous.then_some(true),
        log: args.log,
        ..ConfigLayer::default()
    };
    Config::resolve(flags, environment, file.unwrap_or_default()).map_err(wrong)
}

/// Variables that are no UTF-8 are none of ours.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn log(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| Failure::usage(format!("log: {error}")))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    subscriber.with_ansi(io::stderr().is_terminal()).init();
    Ok(())
}

/// What a person wants to know, and two things to try.
fn greet(info: &ReadyInfo) {
    let addr = info.addr;
    println!("FerryMQ {} on http://{addr}", info.version);
    match &info.data {
        Some(data) => println!("data in {}; a confirm means on disk (fdatasync)", data.display()),
        None => println!("data in memory: all is gone when this stops"),
    }
    let url = if addr.port() == 7171 { String::new() } else { format!(" --url http://{addr}") };
    println!("try:\n  ferrymq topic create orders{url}");
    println!("  ferrymq subscribe --topic orders --group billing --create{url}");
}
