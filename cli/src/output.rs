//! What a person or a script gets to read. Results go to stdout, everything about them to stderr.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use crate::failure::Failure;

/// Prints `error: ...` and the fix to stderr, or the same as one JSON object.
pub fn failure(failure: &Failure, as_json: bool) {
    if as_json {
        return note(&failure_json(failure).to_string());
    }
    note(&format!("{} {failure}", paint(Colour::Red, "error:", io::stderr().is_terminal())));
    if let Some(fix) = failure.fix() {
        note(&format!("  {fix}"));
    }
}

fn failure_json(failure: &Failure) -> Value {
    let reason = failure.rpc().map(|error| error.reason().as_str_name().trim_start_matches("ERROR_REASON_"));
    json!({
        "error": failure.to_string(),
        "hint": failure.fix(),
        "reason": reason,
        "exit_code": failure.exit_code(),
    })
}

/// Prints one value: a line of JSON, or `key: value` lines.
pub fn value(value: &Value, as_json: bool) -> io::Result<()> {
    let mut text = String::new();
    if as_json {
        text = format!("{value}\n");
    } else {
        indent(value, 0, &mut text);
    }
    io::stdout().lock().write_all(text.as_bytes())
}

/// Prints a table for people: columns as wide as their widest cell.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let text = table_text(headings, rows, io::stdout().is_terminal());
    io::stdout().lock().write_all(text.as_bytes())
}

/// The same as text, for a terminal or not.
pub fn table_text(headings: &[&str], rows: &[Vec<String>], is_terminal: bool) -> String {
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([headings[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let heading = aligned(headings.iter().copied(), &widths);
    let mut text = paint(Colour::Bold, &heading, is_terminal);
    text.push('\n');
    for row in rows {
        text.push_str(&aligned(row.iter().map(String::as_str), &widths));
        text.push('\n');
    }
    text
}

/// Says something about the work, to stderr.
pub fn note(text: &str) {
    // Whoever read it may have gone (`2>&1 | head`): then there is nobody to tell, and eprintln! would panic.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Colours for terminals.
#[derive(Clone, Copy)]
pub enum Colour {
    Red,
    Bold,
    Dim,
}

/// `text` in `colour`, if it goes to a terminal that wants colours.
pub fn paint(colour: Colour, text: &str, is_terminal: bool) -> String {
    if !is_terminal || !colours_wanted() {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Red => 31,
        Colour::Bold => 1,
        Colour::Dim => 2,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// As no-color.org has it: set to nothing is not set.
pub fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn aligned<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let cells: Vec<String> = cells.zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    cells.join("  ").trim_end().to_owned()
}

fn indent(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| field(key, value, depth, text)),
        Value::Array(items) => items.iter().for_each(|item| field("-", item, depth, text)),
        scalar => text.push_str(&format!("{:depth$}{}\n", "", plain(scalar), depth = depth * 2)),
    }
}

fn field(key: &str, value: &Value, depth: usize, text: &mut String) {
    let colon = if key == "-" { "" } else { ":" };
    let margin = " ".repeat(depth * 2);
    if value.is_object() || value.is_array() {
        text.push_str(&format!("{margin}{key}{colon}\n"));
        indent(value, depth + 1, text);
    } else {
        text.push_str(&format!("{margin}{key}{colon} {}\n", plain(value)));
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_indented_lines() {
        let mut text = String::new();
        indent(&json!({"name": "q", "retry": {"max_attempts": 3}, "bindings": [{"topic": "t"}]}), 0, &mut text);
        assert_eq!(text, "name: q\nretry:\n  max_attempts: 3\nbindings:\n  -\n    topic: t\n");
    }

    #[test]
    fn colours_are_for_terminals() {
        assert_eq!(paint(Colour::Red, "x", false), "x");
    }
}
