//! A filter's text as tokens.

use super::syntax::Fault;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    Int(u64),
    Double(f64),
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", "(", ")", "[", "]", "{", "}",
    ".", ",", "=",
];

/// All tokens and the bytes where they begin; the last is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Fault> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let rest = &text[at..];
        if next.is_whitespace() {
            at += next.len_utf8();
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else {
            let (token, len) = token(rest).map_err(|fault| Fault { at: at + fault.at, ..fault })?;
            tokens.push((at, token));
            at += len;
        }
    }
    tokens.push((text.len(), Token::End));
    Ok(tokens)
}

fn token(rest: &str) -> Result<(Token, usize), Fault> {
    let first = rest.chars().next().unwrap_or(' ');
    let raw = rest.strip_prefix(['r', 'R']).filter(|quoted| quoted.starts_with(['"', '\'']));
    if let Some(quoted) = raw {
        return text(quoted, true).map(|(token, len)| (token, len + 1)).map_err(|f| Fault { at: f.at + 1, ..f });
    }
    if first == '"' || first == '\'' {
        return text(rest, false);
    }
    if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
        return number(rest);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        return Ok((Token::Name(rest[..len].to_owned()), len));
    }
    let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
    sign.map(|sign| (Token::Sign(sign), sign.len()))
        .ok_or_else(|| Fault::new(0, format!("`{}` means nothing here", first.escape_debug())))
}

fn number(rest: &str) -> Result<(Token, usize), Fault> {
    let digits = |from: usize| rest[from..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |len| from + len);
    if let Some(hex) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        let len = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
        let value = u64::from_str_radix(&hex[..len], 16).map_err(|_| Fault::new(0, "is no number of 64 bits"))?;
        return ended(rest, len + 2, Token::Int(value));
    }
    let mut end = digits(0);
    let mut is_double = false;
    if rest[end..].starts_with('.') && rest[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
        (end, is_double) = (digits(end + 1), true);
    }
    if rest[end..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
        (end, is_double) = (digits(end + 1 + sign), true);
    }
    let wrong = |_| Fault::new(0, "is no number of 64 bits");
    let token = match is_double {
        true => Token::Double(rest[..end].parse().map_err(|_| Fault::new(0, "is no number"))?),
        false => Token::Int(rest[..end].parse().map_err(wrong)?),
    };
    ended(rest, end, token)
}

fn ended(rest: &str, end: usize, token: Token) -> Result<(Token, usize), Fault> {
    match rest[end..].chars().next() {
        Some('u' | 'U') => Err(Fault::new(end, "unsigned numbers are not supported: leave the `u` out")),
        Some(next) if next.is_ascii_alphanumeric() || next == '_' => Err(Fault::new(end, "is not part of a number")),
        _ => Ok((token, end)),
    }
}

fn text(rest: &str, raw: bool) -> Result<(Token, usize), Fault> {
    let mut chars = rest.char_indices();
    let Some((_, quote)) = chars.next() else { return Err(Fault::new(0, "a text is not closed")) };
    let mut out = String::new();
    while let Some((at, next)) = chars.next() {
        match next {
            _ if next == quote => return Ok((Token::Text(out), at + 1)),
            '\n' | '\r' => return Err(Fault::new(at, "a text ends on the line where it began")),
            '\\' if !raw => out.push(escaped(&mut chars, at)?),
            _ => out.push(next),
        }
    }
    Err(Fault::new(0, "a text is not closed"))
}

fn escaped(chars: &mut std::str::CharIndices<'_>, at: usize) -> Result<char, Fault> {
    let wrong = || {
        Fault::new(at, "is no escape: \\\\ \\\" \\' \\` \\? \\a \\b \\f \\n \\r \\t \\v \\xHH \\uHHHH \\UHHHHHHHH are")
    };
    let (_, kind) = chars.next().ok_or_else(wrong)?;
    let digits = match kind {
        'a' => return Ok('\u{7}'),
        'b' => return Ok('\u{8}'),
        'f' => return Ok('\u{c}'),
        'n' => return Ok('\n'),
        'r' => return Ok('\r'),
        't' => return Ok('\t'),
        'v' => return Ok('\u{b}'),
        '\\' | '"' | '\'' | '`' | '?' => return Ok(kind),
        'x' | 'X' => 2,
        'u' => 4,
        'U' => 8,
        _ => return Err(wrong()),
    };
    let mut code = 0u32;
    for _ in 0..digits {
        let digit = chars.next().and_then(|(_, digit)| digit.to_digit(16)).ok_or_else(wrong)?;
        code = code.checked_mul(16).and_then(|code| code.checked_add(digit)).ok_or_else(wrong)?;
    }
    char::from_u32(code).ok_or_else(wrong)
}
