//! Page tokens of Peek: where to go on. They say nothing of what is there, so they stay good while messages come and go, and
//! over restarts.

use std::hash::Hasher as _;

use ferrymq_core::queue::Place;
use ferrymq_core::{CommitNo, LogId};
use ferrymq_proto::v1::ErrorReason;
use siphasher::sip::SipHasher24;

use super::{Source, Wish};
use crate::error::Error;

/// Where the next page begins: `COMMIT-LOG-OFFSET-CHECK`, in hexadecimal.
pub(super) fn seal(place: Place, source: &Source, wish: &Wish) -> String {
    let ((commit, log, offset), check) = (place, check(place, source, wish));
    format!("{:x}-{:x}-{offset:x}-{check:x}", commit.0, log.0)
}

/// Where a page begins; none for the first. PAGE_TOKEN_INVALID for one of another source, filter or states.
pub(super) fn open(token: &str, source: &Source, wish: &Wish) -> Result<Option<Place>, Error> {
    if token.is_empty() {
        return Ok(None);
    }
    let numbers: Option<Vec<u64>> = token.split('-').map(|part| u64::from_str_radix(part, 16).ok()).collect();
    let place = match numbers.as_deref() {
        Some([commit, log, offset, given]) => {
            let place = (CommitNo(*commit), LogId(*log), *offset);
            (check(place, source, wish) == *given).then_some(place)
        }
        _ => None,
    };
    let rule = "not of this source, filter and states";
    let invalid = || Error::new(ErrorReason::PageTokenInvalid, format!("page_token: {rule}")).field("page_token", rule);
    place.map(Some).ok_or_else(invalid)
}

/// No secret: it keeps tokens from being used by mistake where they mean nothing.
fn check((commit, log, offset): Place, source: &Source, wish: &Wish) -> u64 {
    let mut hasher = SipHasher24::new();
    let (kind, id) = source.id();
    hasher.write_u8(kind);
    for number in [id, commit.0, log.0, offset, wish.states.len() as u64] {
        hasher.write_u64(number);
    }
    for state in &wish.states {
        hasher.write_i32(*state as i32);
    }
    hasher.write(wish.filter_text.as_bytes());
    hasher.finish()
}
