//! Conditions on messages: a part of CEL, the Common Expression Language, over the bytes of a message as they came.
//!
//! Compiled once, with bounds on size, depth and cost, and evaluated without decoding the message and mostly without
//! allocating. See docs/filters.md for the language. Existing crates were looked at (cel 0.15): their parsers take some
//! twenty stack frames for each level of nesting, they panic in places, copy each value into a context, and bound no cost.

mod check;
mod eval;
mod json;
mod lexer;
mod parser;
mod syntax;
mod value;
mod view;
mod words;

#[cfg(test)]
mod tests;

pub use view::MessageView;

use syntax::Node;

/// Most bytes in a filter.
pub const FILTER_BYTES_MAX: usize = 4_096;
/// Most levels of nesting in a filter, and in the JSON that it reads.
const DEPTH_MAX: usize = 64;
/// Most bytes of a payload that is read as JSON.
pub const JSON_BYTES_MAX: usize = 1 << 20;

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {message}")]
pub struct FilterError {
    /// The character where it goes wrong, from 1.
    pub position: usize,
    /// What is wrong there.
    pub message: String,
}

/// A compiled filter.
#[derive(Debug)]
pub struct Filter {
    root: Node,
}

impl Filter {
    /// Compiles a text.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let found = if text.len() > FILTER_BYTES_MAX {
            let message = format!("must be at most {FILTER_BYTES_MAX} bytes, and is {}", text.len());
            Err(syntax::Fault { at: FILTER_BYTES_MAX, message })
        } else {
            parser::parse(text).and_then(|root| check::condition(&root).map(|()| root))
        };
        found.map(|root| Self { root }).map_err(|fault| FilterError {
            position: text.char_indices().take_while(|(at, _)| *at < fault.at).count() + 1,
            message: fault.message,
        })
    }

    /// True if the message meets the condition. One on which it cannot be evaluated (a key that is not there, another
    /// type than it takes, a payload that is no JSON, too much to do) does not.
    #[must_use]
    pub fn matches(&self, message: &MessageView<'_>) -> bool {
        eval::condition(&self.root, message)
    }
}
