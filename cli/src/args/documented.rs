//! The commands that the documentation shows are commands.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::path::Path;

use clap::Parser as _;

use super::Cli;

/// The words of a line as a shell takes them apart, up to a comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            ('#', None) if word.is_none() => break,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(end)) if c == end => quote = None,
            // What follows is the shell's: files and other programs.
            ('<' | '>' | '|' | '&', None) if word.is_none() => break,
            (' ', None) => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The commands of a page: indented or fenced lines that begin with the program; or else what is piped into it.
fn commands(page: &str) -> Vec<Vec<String>> {
    let lines = page.lines().map(str::trim);
    let told = lines.filter_map(|line| {
        line.find("ferrymq ").filter(|at| *at == 0 || line[..*at].ends_with("| ")).map(|at| &line[at..])
    });
    told.map(words).collect()
}

#[test]
fn every_command_in_the_documentation_can_be_typed() {
    let mut count = 0;
    for page in ["README.md", "docs/patterns.md", "docs/filters.md", "docs/operations.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
        for command in commands(&std::fs::read_to_string(path).unwrap()) {
            assert!(Cli::try_parse_from(&command).is_ok(), "{page}: {command:?} is refused");
            count += 1;
        }
    }
    assert!(count > 25, "only {count} commands were found");
}

#[test]
fn words_are_taken_apart_as_a_shell_does() {
    let line = r#"ferrymq publish t '{"id": 1}' --attribute "a=b c"   # why"#;
    assert_eq!(words(line), ["ferrymq", "publish", "t", r#"{"id": 1}"#, "--attribute", "a=b c"]);
    assert_eq!(words("a '' b#c"), ["a", "", "b#c"]);
    assert_eq!(words("a 'x > y' > file"), ["a", "x > y"]);
    assert_eq!(words("a | b"), ["a"]);
}
