//! What is drawn anew on a terminal, over and over.

use std::io;

use console::Term;

/// The cursor to the corner, and everything after it gone.
const REDRAW: &str = "\x1b[H\x1b[J";

/// A terminal that a text is drawn on, in place of the one before.
pub struct Screen {
    terminal: Term,
    is_clear: bool,
}

impl Screen {
    /// None if stdout is no terminal.
    pub fn of_stdout() -> Option<Self> {
        let terminal = Term::buffered_stdout();
        terminal.is_term().then_some(Self { terminal, is_clear: false })
    }

    /// Draws as much of `text` as there is room for: what would scroll could not be drawn over.
    pub fn draw(&mut self, text: &str) -> io::Result<()> {
        if !self.is_clear {
            self.terminal.clear_screen()?;
            self.is_clear = true;
        }
        let (rows, columns) = self.terminal.size();
        self.terminal.write_str(&format!("{REDRAW}{}", fitted(text, rows.into(), columns.into())))?;
        self.terminal.flush()
    }
}

/// The lines that fit above the row where the cursor stays, none longer than a row; says how many there are no rows for.
fn fitted(text: &str, rows: usize, columns: usize) -> String {
    let room = rows.saturating_sub(1).max(1);
    let lines = text.lines().count();
    let shown = if lines > room { room - 1 } else { lines };
    let mut fitted = String::new();
    for line in text.lines().take(shown) {
        fitted.push_str(&console::truncate_str(line, columns, "…"));
        fitted.push('\n');
    }
    if shown < lines {
        let hidden = format!("… and {} lines more: make room, or name the queues", lines - shown);
        fitted.push_str(&console::truncate_str(&hidden, columns, "…"));
        fitted.push('\n');
    }
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_drawn_whole() {
        assert_eq!(fitted("a\nb\n", 3, 10), "a\nb\n");
        assert_eq!(fitted("", 24, 80), "");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let text: String = (0..100).map(|row| format!("row {row}\n")).collect();
        let fitted = fitted(&text, 5, 80);
        assert_eq!(fitted, "row 0\nrow 1\nrow 2\n… and 97 lines more: make room, or name the queues\n");
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!(fitted("\x1b[1mQUEUE  READY\x1b[0m\nab\n", 3, 12), "\x1b[1mQUEUE  READY\x1b[0m\nab\n");
        assert_eq!(fitted("QUEUE  READY\n", 3, 8), "QUEUE  …\n");
    }

    #[test]
    fn the_smallest_terminal_has_a_line() {
        assert_eq!(fitted("a\nb\n", 0, 80), "… and 2 lines more: make room, or name the queues\n");
        assert_eq!(fitted("a\nb\n", 1, 4), "… a…\n");
    }
}
