//! Patterns on routing keys: words with dots between, `*` is one word, `#` is none or more.
//!
//! The language is that of AMQP's topic exchanges (AMQP 0-9-1, 3.1.3.3).

/// Most bytes in a pattern, and in a routing key.
pub const PATTERN_BYTES_MAX: usize = 255;

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Too long.
    #[error("must be at most 255 bytes long")]
    TooLong,
    /// A wildcard inside a word.
    #[error("`*` and `#` must stand alone as a word, unlike in `{0}`")]
    PartOfWord(String),
    /// Two dots together, or one at an end.
    #[error("words must not be empty")]
    EmptyWord,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    One,
    Any,
    Exact(String),
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    words: Vec<Word>,
}

impl Pattern {
    /// Compiles a pattern; an empty one matches everything.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong);
        }
        if text.is_empty() {
            return Ok(Self { words: vec![Word::Any] });
        }
        let mut words = Vec::new();
        for word in text.split('.') {
            let word = Self::word(word)?;
            // `#.#` is `#`: without this, matching could take many more steps for nothing.
            if !(word == Word::Any && words.last() == Some(&Word::Any)) {
                words.push(word);
            }
        }
        Ok(Self { words })
    }

    fn word(word: &str) -> Result<Word, PatternError> {
        match word {
            "" => Err(PatternError::EmptyWord),
            "*" => Ok(Word::One),
            "#" => Ok(Word::Any),
            _ if word.contains(['*', '#']) => Err(PatternError::PartOfWord(word.to_owned())),
            _ => Ok(Word::Exact(word.to_owned())),
        }
    }

    /// True if every key matches.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.words == [Word::Any]
    }

    /// The one key that matches, if there is only one.
    #[must_use]
    pub fn exact(&self) -> Option<String> {
        let words: Option<Vec<&str>> = self
            .words
            .iter()
            .map(|word| if let Word::Exact(text) = word { Some(text.as_str()) } else { None })
            .collect();
        words.map(|words| words.join("."))
    }

    /// Matches a key in at most words x words steps: after a mismatch only the last `#` needs to take one word more
    /// (the usual way with glob patterns, e.g. R. Cox, "Glob Matching Can Be Simple And Fast Too").
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        if self.is_all() {
            return true;
        }
        let (mut at, mut rest) = (0, words_of(key));
        let mut retry: Option<(usize, Option<&str>)> = None;
        loop {
            match (self.words.get(at), split(rest)) {
                (Some(Word::Any), _) => {
                    retry = Some((at, rest));
                    at += 1;
                    continue;
                }
                (Some(Word::One), Some((_, tail))) => {
                    (at, rest) = (at + 1, tail);
                    continue;
                }
                (Some(Word::Exact(text)), Some((word, tail))) if text == word => {
                    (at, rest) = (at + 1, tail);
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            let Some((any, from)) = retry else { return false };
            let Some((_, tail)) = split(from) else { return false };
            retry = Some((any, tail));
            (at, rest) = (any + 1, tail);
        }
    }
}

/// The words of a key: none for an empty one.
fn words_of(key: &str) -> Option<&str> {
    (!key.is_empty()).then_some(key)
}

/// The first word, and the others.
fn split(words: Option<&str>) -> Option<(&str, Option<&str>)> {
    let words = words?;
    Some(words.split_once('.').map_or((words, None), |(word, tail)| (word, Some(tail))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern.first(), key.first()) {
            (None, None) => true,
            (Some(&"#"), _) => naive(&pattern[1..], key) || (!key.is_empty() && naive(pattern, &key[1..])),
            (Some(&"*"), Some(_)) => naive(&pattern[1..], &key[1..]),
            (Some(word), Some(other)) if word == other => naive(&pattern[1..], &key[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matches_as_a_naive_matcher_does(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "#"]), 1..7),
            key in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..8),
        ) {
            let compiled = Pattern::parse(&pattern.join(".")).unwrap();
            prop_assert_eq!(compiled.matches(&key.join(".")), naive(&pattern, &key));
        }
    }

    #[test]
    fn is_not_slow_on_hostile_patterns() {
        let pattern = Pattern::parse(&["#.a"; 60].join(".")).unwrap();
        assert!(!pattern.matches(&format!("{}b", "a.".repeat(126))));
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        for bad in ["a..b", ".a", "a.", "a*", "#a.b", "a.b#"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(Pattern::parse(&"a".repeat(256)).is_err());
        assert!(Pattern::parse("").unwrap().is_all() && Pattern::parse("#.#").unwrap().is_all());
    }
}
