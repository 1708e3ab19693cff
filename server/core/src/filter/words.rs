//! The words and operators of the language, and how they are named in faults.

use super::lexer::Token;
use super::syntax::{Binary, Fault, VARIABLES, Variable};

/// Words that CEL keeps for itself.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "in",
    "null",
    "true",
    "false",
];

/// Operators between two values by how tightly they bind; `&&` and `||` stand apart.
pub(super) const OPERATORS: [(&str, u8, Binary); 11] = [
    ("==", 1, Binary::Equal),
    ("!=", 1, Binary::Unequal),
    ("<", 1, Binary::Less),
    ("<=", 1, Binary::LessOrEqual),
    (">", 1, Binary::Greater),
    (">=", 1, Binary::GreaterOrEqual),
    ("+", 2, Binary::Add),
    ("-", 2, Binary::Subtract),
    ("*", 3, Binary::Multiply),
    ("/", 3, Binary::Divide),
    ("%", 3, Binary::Remainder),
];

pub(super) fn shown(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("`{name}`"),
        Token::Int(number) => format!("`{number}`"),
        Token::Double(number) => format!("`{number}`"),
        Token::Text(_) => "a text".into(),
        Token::Sign(sign) => format!("`{sign}`"),
        Token::End => "the end".into(),
    }
}

pub(super) fn variable(name: &str, at: usize) -> Result<Variable, Fault> {
    if let Some((_, variable)) = VARIABLES.iter().find(|(known, _)| *known == name) {
        return Ok(*variable);
    }
    let known: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
    Err(Fault::new(at, format!("`{name}` is not known; there are {}", known.join(", "))))
}

pub(super) fn check_free(name: &str, at: usize) -> Result<(), Fault> {
    if RESERVED.contains(&name) || VARIABLES.iter().any(|(known, _)| *known == name) {
        return Err(Fault::new(at, format!("`{name}` cannot be the name of an element")));
    }
    Ok(())
}
