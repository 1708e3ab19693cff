//! `ferrymq serve`.

use std::io::{self, IsTerminal as _, Write as _};

use ferrymq_server::ReadyInfo;
use ferrymq_server::config::{Config, ConfigError, Layer, LogFormat};
use tracing_subscriber::EnvFilter;

use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::output;

/// Runs the broker until it is told to stop.
pub async fn run(args: ServeArgs) -> Result<(), Failure> {
    let print = args.print_config;
    let config = configuration(args)?;
    if print {
        return Ok(io::stdout().lock().write_all(config.to_toml().as_bytes())?);
    }
    log(&config)?;
    let served = ferrymq_server::run(config, |info| greet(&info)).await;
    served.map_err(|error| Failure::other(error.to_string()))
}

fn configuration(args: ServeArgs) -> Result<Config, Failure> {
    let file = args.config.as_deref().map(Layer::from_file).transpose().map_err(wrong)?;
    let environment = Layer::from_env(std::env::vars_os()).map_err(wrong)?;
    let switch = |on: bool| on.then(|| "true".to_owned());
    let flags = Layer::from_flags([
        ("data", args.data),
        ("listen", args.listen),
        ("ephemeral", switch(args.ephemeral)),
        ("port_file", args.port_file),
        ("disk_limit", args.disk_limit),
        ("allow_anonymous", switch(args.allow_anonymous)),
        ("log", args.log),
        ("log_format", args.log_format),
        ("drain_timeout", args.drain_timeout),
    ]);
    Config::resolve(vec![flags, environment, file.unwrap_or_default()]).map_err(wrong)
}

fn wrong(error: ConfigError) -> Failure {
    Failure::usage(error.to_string())
}

fn log(config: &Config) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.log);
    let filter = filter.map_err(|error| wrong(config.invalid("log", format!("is no log filter: {error}"))))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match config.log_format {
        LogFormat::Text => subscriber.with_ansi(io::stderr().is_terminal() && output::colours_wanted()).init(),
        LogFormat::Json => subscriber.json().init(),
    }
    Ok(())
}

/// What a person wants to know, and two things to try. That nobody reads it is no reason not to serve.
fn greet(info: &ReadyInfo) {
    let addr = info.addr;
    let data = match &info.data {
        Some(data) => format!("data in {}; a confirm means on disk (fdatasync)", data.display()),
        None => "data in memory: all is gone when this stops".into(),
    };
    let url = if addr.port() == 7171 { String::new() } else { format!(" --url http://{addr}") };
    let greeting = format!(
        "FerryMQ {} on http://{addr}\n{data}\ntry:\n  ferrymq topic create orders{url}\n  ferrymq subscribe --topic orders \
         --group billing --create{url}\n",
        info.version
    );
    let _ = io::stdout().lock().write_all(greeting.as_bytes());
}
