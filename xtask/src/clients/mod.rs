//! How fast each language's client is: every `run bench` in turn, and the medians as a table in docs/clients.md.

mod figures;
mod table;

use clap::Args;

use self::figures::Figures;
use crate::run::{Failure, output, root, run};
use crate::server::Server;

const PAGE: &str = "docs/clients.md";

/// The directory below client/, and the name in tables.
const LANGUAGES: [(&str, &str); 5] =
    [("rust", "Rust"), ("python", "Python"), ("typescript", "TypeScript"), ("go", "Go"), ("java", "Java")];

/// Which clients are measured, and how.
#[derive(Args)]
pub struct Clients {
    /// How long each measure takes, in seconds; half as long before is not counted.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How often all are measured in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Only these, by their directory below client/. The others' rows stay as they are.
    #[arg(long, value_delimiter = ',', value_parser = LANGUAGES.map(|(directory, _)| directory))]
    languages: Vec<String>,
    /// The optimised `ferrymq` to measure against. Default: a release is built.
    #[arg(long)]
    program: Option<String>,
    /// Print the table, and leave the page as it is.
    #[arg(long)]
    print: bool,
}

impl Clients {
    /// Measures all of them in turn, as the machine's own speed changes. Nothing else should run meanwhile.
    pub fn run(self) -> Result<(), Failure> {
        let program = self.program()?;
        let mut chosen: Vec<_> = LANGUAGES.into_iter().filter(|(directory, _)| self.wants(directory)).collect();
        for (directory, _) in &chosen {
            run(&format!("client/{directory}/conformance/prepare"), &[], &[])?;
        }
        let mut measured: Vec<(&str, Vec<Figures>)> = chosen.iter().map(|(_, title)| (*title, Vec::new())).collect();
        for round in 1..=self.rounds {
            for (directory, title) in &chosen {
                let figures = self.measure(&program, directory)?;
                eprintln!("{round} of {}, {title}: {figures}", self.rounds);
                measured
                    .iter_mut()
                    .filter(|(name, _)| name == title)
                    .for_each(|(_, rounds)| rounds.push(figures.clone()));
            }
            // Nobody is always the first.
            chosen.rotate_left(1);
        }
        let page = std::fs::read_to_string(root().join(PAGE))?;
        let (table, page) = table::written(&page, &measured)?;
        print!("{table}");
        if !self.print {
            std::fs::write(root().join(PAGE), page)?;
        }
        Ok(())
    }

    fn wants(&self, directory: &str) -> bool {
        self.languages.is_empty() || self.languages.iter().any(|language| language == directory)
    }

    fn program(&self) -> Result<String, Failure> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        run("cargo", &["build", "--release", "--quiet", "-p", "ferrymq-cli"], &[])?;
        Ok(root().join("target/release/ferrymq").display().to_string())
    }

    /// One client, against a broker and a server that does nothing which nobody has used before.
    fn measure(&self, program: &str, directory: &str) -> Result<Figures, Failure> {
        let broker = Server::broker(program)?;
        let noop = Server::start(program, &["bench-noop-server"])?;
        let runner = format!("client/{directory}/conformance/run");
        Figures::read(&output(&runner, &["bench", broker.url(), noop.url(), &self.seconds.to_string()])?)
    }
}
