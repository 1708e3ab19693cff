//! Lines of stdin, as they come.

use std::io::{self, BufRead, Read as _};

use tokio::sync::mpsc;

use crate::failure::Failure;

const LINES_MAX: usize = 512;
/// Above every limit that a broker may have: the broker refuses what is too large for it, this only guards our memory.
const LINE_BYTES_MAX: u64 = 256 << 20;

/// What `parse` makes of each line of stdin and its number, until the first failure.
pub fn of_stdin<T: Send + 'static>(
    parse: impl Fn(Vec<u8>, u64) -> Result<T, Failure> + Send + 'static,
) -> mpsc::Receiver<Result<T, Failure>> {
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    // Not a runtime thread: a read of stdin cannot be cancelled.
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        for number in 1.. {
            let parsed = match read_line(&mut input) {
                Ok(Some(line)) => parse(line, number),
                Ok(None) => return,
                Err(error) => Err(Failure::other(format!("cannot read stdin: {error}"))),
            };
            let failed = parsed.is_err();
            if sender.blocking_send(parsed).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// The next line without its end; `None` when there is none.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        return Err(io::Error::other("a line is longer than 256 MiB"));
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_ends_and_nothing_else() {
        let mut input = &b"a\r\n\n b \nlast"[..];
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut input).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, [&b"a"[..], b"", b" b ", b"last"]);
    }
}
