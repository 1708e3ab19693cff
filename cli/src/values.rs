//! Values as a person types them: `30s`, `10GiB`, `key=value`.

use std::time::Duration;

pub use ferrymq_server::config::units::{parse_bytes as bytes, parse_duration as duration};

/// `key=value`; the value may hold further `=`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must look like key=value".to_owned()),
    }
}

/// For the wire; what is longer than the protocol can say is as good as for ever.
pub fn wire(duration: Duration) -> prost_types::Duration {
    duration.try_into().unwrap_or(prost_types::Duration { seconds: i64::MAX, nanos: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_what_follows_the_first_equals_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("=b").is_err());
        assert!(pair("ab").is_err());
    }
}
