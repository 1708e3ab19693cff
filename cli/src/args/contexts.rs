//! Brokers by name.

use clap::{Args, Subcommand};

/// `ferrymq context ...`
#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// Give a broker a name.
    #[command(after_help = "Examples:
  ferrymq context add staging http://staging:7171
  ferrymq context add local http://127.0.0.1:7171 --use
  ferrymq context add staging http://staging-2:7171 --replace")]
    Add(Adding),
    /// Talk to this one from now on, where neither a flag nor FERRYMQ_URL says otherwise.
    #[command(after_help = "Examples:
  ferrymq context use staging
  ferrymq context use local && ferrymq status
  ferrymq --context staging status")]
    Use(Named),
    /// Show all; the one in use has a star.
    #[command(after_help = "Examples:
  ferrymq context list
  ferrymq context list --json
  ferrymq context list --json | jq -r 'select(.used).url'")]
    List,
    /// Forget one.
    #[command(after_help = "Examples:
  ferrymq context remove staging
  ferrymq context remove staging && ferrymq context use local
  ferrymq context list")]
    Remove(Named),
}

/// A broker and its name.
#[derive(Debug, Args)]
pub struct Adding {
    /// Its name.
    pub name: String,
    /// Where it is, e.g. http://127.0.0.1:7171.
    pub url: String,
    /// Use it from now on.
    #[arg(long = "use")]
    pub used: bool,
    /// Though the name is taken.
    #[arg(long)]
    pub replace: bool,
}

/// Which one.
#[derive(Debug, Args)]
pub struct Named {
    /// Its name.
    pub name: String,
}
