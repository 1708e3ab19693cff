//! One file for each kind of command.

mod binding;
mod check;
mod connected;
mod contexts;
mod inspect;
mod lines;
mod peek;
mod publish;
mod pull;
mod queue;
mod serve;
mod settle;
mod snapshot;
mod stop;
mod subscribe;
mod topic;
mod watch;
mod work;

use std::io::{self, IsTerminal as _, Write as _};

use clap::CommandFactory as _;
use ferrymq_client::{Call, Client, Destination};

use crate::args::{Cli, Command, ServeArgs};
use crate::contexts as brokers;
use crate::failure::Failure;
use crate::output;

/// What a command works with.
pub struct Context {
    pub client: Client,
    pub url: String,
    pub json: bool,
}

/// Runs what was typed.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let done = runtime.block_on(dispatch(cli));
    // A thread may still be reading stdin: it has nothing left to say.
    runtime.shutdown_background();
    done
}

async fn dispatch(cli: Cli) -> Result<(), Failure> {
    match cli.command.unwrap_or_else(|| Command::Serve(ServeArgs::default())) {
        Command::Serve(args) => serve::run(args).await,
        Command::Bench(args) => {
            let url = brokers::url_told(cli.url, cli.context.as_deref())?;
            crate::bench::run(args, url.as_deref(), cli.json).await
        }
        Command::BenchNoopServer => crate::bench::noop::serve().await,
        Command::Check { dir } => check::run(&dir, cli.json),
        Command::Repair { dir } => check::repair(&dir, cli.json),
        Command::Context(command) => contexts::run(command, cli.json),
        Command::Completions { shell } => completions(shell),
        command => {
            let url = brokers::url(cli.url, cli.context.as_deref())?;
            let context = Context { client: connect(&url, cli.verbose).await?, url, json: cli.json };
            match call(command, &context).await {
                Err(failure) => Err(failure.with_suggestion(&context.client).await),
                done => done,
            }
        }
    }
}

/// What the client has to say by itself, e.g. of reconnects, goes to stderr.
async fn connect(url: &str, verbose: bool) -> Result<Client, Failure> {
    let colours = io::stderr().is_terminal() && output::colours_wanted();
    let log = tracing_subscriber::fmt().with_env_filter("ferrymq=warn").with_writer(io::stderr).with_ansi(colours);
    log.without_time().with_target(false).init();
    let mut client = Client::builder(url);
    if verbose {
        client = client.observe(|call| output::note(&told(call)));
    }
    Ok(client.connect().await?)
}

/// `ferrymq.v1.MessagingService/Pull: Ok, 1.2 ms`
fn told(call: &Call) -> String {
    format!("{}: {:?}, {:.1} ms", call.method, call.code, call.elapsed.as_secs_f64() * 1e3)
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ferrymq", &mut script);
    Ok(io::stdout().lock().write_all(&script)?)
}

async fn call(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Topic(command) => topic::run(command, context).await,
        Command::Queue(command) => queue::run(command, context).await,
        Command::Binding(command) => binding::run(command, context).await,
        Command::Snapshot(command) => snapshot::run(command, context).await,
        Command::Consumer(command) => connected::consumer(command, context).await,
        Command::Connection(command) => connected::connection(command, context).await,
        Command::Publish(args) => {
            let destination = Destination::Topic(args.destination.clone());
            publish::run(args, destination, context).await
        }
        Command::Send(args) => {
            let destination = Destination::Queue(args.destination.clone());
            publish::run(args, destination, context).await
        }
        Command::Subscribe(args) => subscribe::run(args, context).await,
        Command::Pull(args) => pull::run(args, context).await,
        Command::Ack(args) => settle::ack(args, context).await,
        Command::Nack(args) => settle::nack(args, context).await,
        Command::Extend(args) => settle::extend(args, context).await,
        Command::Work(args) => work::run(args, context).await,
        Command::Peek(args) => peek::run(args, context).await,
        Command::Purge(args) => inspect::purge(args, context).await,
        Command::Stats(args) => inspect::stats(args, context).await,
        Command::Status => inspect::status(context).await,
        // These have been taken care of: they need no connection, or make their own.
        Command::Serve(_)
        | Command::Bench(_)
        | Command::BenchNoopServer
        | Command::Context(_)
        | Command::Completions { .. }
        | Command::Check { .. }
        | Command::Repair { .. } => Ok(()),
    }
}
