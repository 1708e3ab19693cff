//! Who is connected.

use clap::{Args, Subcommand};

/// `ferrymq consumer ...`
#[derive(Debug, Subcommand)]
pub enum ConsumerCommand {
    /// Show who consumes now.
    #[command(after_help = "Examples:
  ferrymq consumer list
  ferrymq consumer list --queue billing
  ferrymq consumer list --json")]
    List {
        /// Only of this queue.
        #[arg(long, default_value = "")]
        queue: String,
    },
}

/// `ferrymq connection ...`
#[derive(Debug, Subcommand)]
pub enum ConnectionCommand {
    /// Show who is connected now.
    #[command(after_help = "Examples:
  ferrymq connection list
  ferrymq connection list --json
  ferrymq connection list | grep grpc-java")]
    List,
    /// End a connection: what its consumers hold goes back at once.
    #[command(after_help = "Examples:
  ferrymq connection close ID
  ferrymq connection close ID --reason 'upgrade of the host'
  ferrymq connection list")]
    Close(Closing),
}

/// Which connection to end.
#[derive(Debug, Args)]
pub struct Closing {
    /// Its id, as `ferrymq connection list` shows it.
    pub id: String,
    /// Logged, and told to the client.
    #[arg(long, default_value = "")]
    pub reason: String,
}
