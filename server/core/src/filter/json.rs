//! JSON read where it lies (RFC 8259). A document is checked once; what walks it then may believe that it is well formed.

use std::borrow::Cow;

use super::DEPTH_MAX;

/// Where the one value of a document lies, if it is well formed and nested no deeper than filters are.
pub(super) fn document(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    std::str::from_utf8(bytes).ok()?;
    let mut check = Check { bytes, at: 0 };
    check.space();
    let from = check.at;
    check.value(0)?;
    let to = check.at;
    check.space();
    (check.at == bytes.len()).then_some(from..to)
}

struct Check<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Check<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        self.at = space(self.bytes, self.at);
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.accept(byte).then_some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' => self.items(depth, b'}', |check| {
                check.string()?;
                check.space();
                check.expect(b':')?;
                check.space();
                check.value(depth + 1)
            }),
            b'[' => self.items(depth, b']', |check| check.value(depth + 1)),
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn items(&mut self, depth: usize, end: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if depth >= DEPTH_MAX {
            return None;
        }
        self.at += 1;
        self.space();
        if self.accept(end) {
            return Some(());
        }
        loop {
            item(self)?;
            self.space();
            if self.accept(end) {
                return Some(());
            }
            self.expect(b',')?;
            self.space();
        }
    }

    fn string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => {
                    let digits = if *self.bytes.get(self.at + 1)? == b'u' { 4 } else { 0 };
                    let kind = *self.bytes.get(self.at + 1)?;
                    let hex = self.bytes.get(self.at + 2..self.at + 2 + digits)?;
                    let known = b"\"\\/bfnrtu".contains(&kind) && hex.iter().all(u8::is_ascii_hexdigit);
                    known.then_some(())?;
                    self.at += 2 + digits;
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(word).then_some(())?;
        self.at += word.len();
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.accept(b'-');
        if !self.accept(b'0') {
            self.digits()?;
        }
        if self.accept(b'.') {
            self.digits()?;
        }
        if self.accept(b'e') || self.accept(b'E') {
            let _ = self.accept(b'+') || self.accept(b'-');
            self.digits()?;
        }
        Some(())
    }
}

fn space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| b" \t\r\n".contains(byte)) {
        at += 1;
    }
    at
}

/// Where a value that begins at `from` ends.
fn end_of(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'{' | b'[' => (at, depth) = (at + 1, depth + 1),
            b'}' | b']' => (at, depth) = (at + 1, depth.saturating_sub(1)),
            _ if depth > 0 => at += 1,
            _ => {
                let ends = |byte: &u8| b",]} \t\r\n".contains(byte);
                return bytes[at..].iter().position(ends).map_or(bytes.len(), |len| at + len);
            }
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn end_of_string(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The elements of an array.
pub(super) fn elements(array: &str) -> impl Iterator<Item = &str> {
    let mut at = 1;
    std::iter::from_fn(move || next(array, &mut at))
}

/// The members of an object: name, as it is written, and value.
pub(super) fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut at = 1;
    std::iter::from_fn(move || Some((next(object, &mut at)?, next(object, &mut at)?)))
}

/// The value of a name; of the last, if it is there more than once, as most readers have it.
pub(super) fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    for (written, value) in members(object) {
        if is_name(written, name) {
            found = Some(value);
        }
    }
    found
}

fn is_name(written: &str, name: &str) -> bool {
    let inner = inner(written);
    if inner.contains('\\') { text(written) == name } else { inner == name }
}

/// The next value within a container, with what stands between the values passed over.
fn next<'a>(container: &'a str, at: &mut usize) -> Option<&'a str> {
    let bytes = container.as_bytes();
    let mut from = space(bytes, *at);
    while bytes.get(from).is_some_and(|byte| b",:".contains(byte)) {
        from = space(bytes, from + 1);
    }
    if bytes.get(from).is_none_or(|byte| b"]}".contains(byte)) {
        return None;
    }
    let end = end_of(bytes, from);
    *at = end;
    container.get(from..end)
}

fn inner(string: &str) -> &str {
    string.get(1..string.len().saturating_sub(1)).unwrap_or_default()
}

/// What a string means. Half a surrogate pair is the replacement character.
pub(super) fn text(string: &str) -> Cow<'_, str> {
    let inner = inner(string);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let (meant, after) = unicode(escape);
                out.push(meant);
                rest = after;
                continue;
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What `uHHHH` (and the other half behind it) means, and what stands behind that.
fn unicode(escape: &str) -> (char, &str) {
    let unit = |from: &str| from.get(1..5).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0xfffd);
    let (first, rest) = (unit(escape), escape.get(5..).unwrap_or_default());
    if (0xd800..0xdc00).contains(&first)
        && let Some(second) = rest.strip_prefix('\\').filter(|second| second.starts_with('u'))
    {
        let low = unit(second);
        if (0xdc00..0xe000).contains(&low) {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            return (char::from_u32(code).unwrap_or('\u{fffd}'), second.get(5..).unwrap_or_default());
        }
    }
    (char::from_u32(first).unwrap_or('\u{fffd}'), rest)
}
