//! The end of what a handler wrote: what went wrong stands there.

/// The most that a reason may be.
const REASON_BYTES_MAX: usize = 1024;

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub struct Tail(Vec<u8>);

impl Tail {
    /// Forgets the oldest where it becomes too much.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let excess = self.0.len().saturating_sub(REASON_BYTES_MAX);
        self.0.drain(..excess);
    }

    /// As text of at most 1,024 bytes, without blanks around it; nothing if there is none.
    pub fn text(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.0);
        let text = text.trim();
        // What was no text has become longer.
        let mut from = text.len().saturating_sub(REASON_BYTES_MAX);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        let end = &text[from..];
        (!end.is_empty()).then(|| end.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(parts: &[&[u8]]) -> Option<String> {
        let mut tail = Tail::default();
        parts.iter().for_each(|part| tail.push(part));
        tail.text()
    }

    #[test]
    fn the_end_is_kept() {
        assert_eq!(tail(&[b"first\n", b"cannot connect\n"]).as_deref(), Some("first\ncannot connect"));
        assert_eq!(tail(&[b" \n", b""]), None);
        let long = tail(&[&[b'a'; 5_000], b"end"]).unwrap();
        assert!(long.len() == REASON_BYTES_MAX && long.ends_with("aend"));
    }

    #[test]
    fn what_is_no_text_is_no_longer_than_text() {
        let broken = tail(&[&[0xff; 5_000]]).unwrap();
        assert!(broken.len() <= REASON_BYTES_MAX && broken.chars().all(|c| c == '\u{fffd}'));
        // A character that was cut in two.
        assert!(tail(&["ü".repeat(2_000).as_bytes(), b"x"]).unwrap().len() <= REASON_BYTES_MAX);
    }
}
