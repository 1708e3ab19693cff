//! Every block of commands in the documentation is run as it stands: each page is one session with a fresh broker, from top to bottom.
//!
//! Comments before a block say what is different there: `<!-- not run: why -->`; `<!-- first: commands -->`, which are run before it;
//! `<!-- exits: 6 -->`, the code of its last command; `<!-- needs: buf -->`, a tool of `.ci/run` without which it is skipped (in CI that
//! fails). A command whose line says Ctrl-C is ended by that.
//!
//! What a block fenced as `text` shows has to be in what the block before it printed, word by word. Each paragraph of a block in another
//! language has to be in one of the files that are named after the language.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use ferrymq_tests::{Block, Broker, Shows, binary, blocks};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// README.md and docs/*.md, each with its name.
fn pages() -> Vec<(String, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let paths = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.chain([root().join("README.md")]).map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// A shell beside a broker of its own.
struct Session {
    broker: Broker,
    path: String,
}

impl Session {
    fn start() -> Self {
        let broker = Broker::ephemeral();
        let commands = broker.home().join("bin");
        fs::create_dir_all(&commands).unwrap();
        std::os::unix::fs::symlink(binary(), commands.join("ferrymq")).unwrap();
        let tools = root().join("target/tools/node_modules/.bin");
        let path = format!("{}:{}:{}", commands.display(), tools.display(), std::env::var("PATH").unwrap());
        Self { broker, path }
    }

    /// Whether a tool is there. In CI it has to be.
    fn has(&self, tool: &str) -> bool {
        let there = self.run(&format!("command -v {tool}")).0 == Some(0);
        assert!(there || std::env::var("CI").as_deref() != Ok("true"), "{tool} is not there");
        there
    }

    /// Runs a script; its exit code, and all that it printed.
    fn run(&self, script: &str) -> (Option<i32>, String) {
        let mut shell = Command::new("timeout");
        shell.args(["-k", "1", "15", "bash", "-euo", "pipefail", "-c"]).arg(format!("exec 2>&1\n{script}"));
        shell.current_dir(self.broker.home()).env("PATH", &self.path).env("FERRYMQ_URL", self.broker.url());
        // Where contexts and completions of shells go: not to whoever runs the tests.
        shell.env("XDG_CONFIG_HOME", self.broker.home()).env("HOME", self.broker.home());
        let output = shell.stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A script of what is shown, in which what the reader ends with Ctrl-C is ended.
fn script(commands: &str) -> String {
    let ended = |line: &str| match line.split_once(" #") {
        Some((command, comment)) if comment.contains("Ctrl-C") => {
            format!("timeout --preserve-status -s INT 1 {command} || [ $? = 130 ]")
        }
        _ => line.to_owned(),
    };
    commands.lines().map(ended).collect::<Vec<_>>().join("\n")
}

/// Words that do not change from run to run.
fn lasting_words(text: &str) -> impl Iterator<Item = &str> {
    let lasting = |word: &&str| word.chars().any(char::is_alphabetic) && !word.chars().any(|c| c.is_ascii_digit());
    text.split_whitespace().filter(lasting)
}

/// Runs a page from top to bottom; what is wrong with it.
fn faults(page: &str) -> Vec<String> {
    let session = Session::start();
    let (mut faults, mut printed) = (Vec::new(), None);
    for block in blocks(page) {
        let mut fault = |what: String| faults.push(format!("line {}: {what}\n{}", block.line, block.text));
        if let Some(why) = block.note("not run") {
            printed = None;
            if why.is_empty() {
                fault("no reason is given".to_owned());
            }
            continue;
        }
        if let Some(tool) = block.note("needs").filter(|tool| !session.has(tool)) {
            eprintln!("SKIPPED: line {}, as {tool} is not there", block.line);
            printed = None;
            continue;
        }
        match &block.shows {
            Shows::Commands => match run(&session, &block) {
                Ok(output) => printed = Some(output),
                Err(what) => fault(what),
            },
            Shows::Output => {
                let there = printed.as_deref().unwrap_or(&block.text);
                if let Some(word) = lasting_words(&block.text).find(|word| !there.contains(word)) {
                    fault(format!("`{word}` is not in what was printed:\n{there}"));
                }
            }
            Shows::Source(info) => {
                if let Err(what) = is_in_its_files(info, &block.text) {
                    fault(what);
                }
            }
        }
    }
    faults
}

/// Runs a block; what it printed.
fn run(session: &Session, block: &Block) -> Result<String, String> {
    if let Some(first) = block.note("first") {
        let (code, printed) = session.run(&script(first));
        if code != Some(0) {
            return Err(format!("what comes first failed with {code:?}:\n{printed}"));
        }
    }
    let expected: i32 = block.note("exits").unwrap_or("0").parse().unwrap();
    let (code, printed) = session.run(&script(&block.text));
    if code == Some(expected) { Ok(printed) } else { Err(format!("exits with {code:?}:\n{printed}")) }
}

/// `info` is a language and the paths of files, one of which has to contain each paragraph of the text.
fn is_in_its_files(info: &str, text: &str) -> Result<(), String> {
    let paths: Vec<&str> = info.split_whitespace().skip(1).collect();
    let files: Vec<String> = paths
        .iter()
        .map(|path| fs::read_to_string(root().join(path)).unwrap_or_default())
        .map(|file| plain(&file))
        .collect();
    let missing = text.split("\n\n").find(|part| !files.iter().any(|file| file.contains(&plain(part))));
    missing.map_or(Ok(()), |part| Err(format!("not in {paths:?}:\n{part}")))
}

/// Without indentation and blank lines.
fn plain(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_block_of_the_documentation_does_what_it_says() {
    let sessions: Vec<_> =
        pages().into_iter().map(|(name, page)| (name, thread::spawn(move || faults(&page)))).collect();
    let found: Vec<String> = sessions
        .into_iter()
        .flat_map(|(name, session)| session.join().unwrap().into_iter().map(move |fault| format!("{name}, {fault}")))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

#[test]
fn a_page_that_shows_what_is_not_so_is_found_out() {
    assert_eq!(faults("    ferrymq topic create t\n").len(), 0);
    assert_eq!(faults("    ferrymq queue get q\n").len(), 1);
    assert_eq!(faults("<!-- exits: 3 -->\n\n    ferrymq queue get q\n").len(), 0);
    assert_eq!(faults("<!-- not run: -->\n\n    ferrymq queue get q\n").len(), 1);
    assert_eq!(faults("<!-- first: ferrymq queue create q -->\n\n    ferrymq queue get q\n").len(), 0);
    assert_eq!(faults("| a | `ferrymq queue get q` |\n").len(), 1);
    assert_eq!(faults("    ferrymq topic create t\n\n```text\ntopic `t` made\n```\n").len(), 1);
    assert_eq!(faults("```rust README.md\nfn nowhere() {}\n```\n").len(), 1);
}

#[test]
fn the_blocks_of_a_page_are_told_apart() {
    let page = "text\n\n    a\n    b\n\n<!-- not run: needs it -->\n\n```sh\nc\n\nd\n```\n\n- item\n    text\n\n| `ferrymq x \\| y` | `z` |\n";
    let shown: Vec<_> = blocks(page).into_iter().map(|block| (block.line, block.text, block.notes)).collect();
    let said = vec!["not run: needs it".to_owned()];
    let expected = [(3, "a\nb", vec![]), (8, "c\n\nd", said), (17, "ferrymq x | y", vec![])];
    assert_eq!(shown, expected.map(|(line, text, notes)| (line, text.to_owned(), notes)));
}
