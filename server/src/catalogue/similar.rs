//! Which name was meant.

use std::sync::Arc;

/// The name that was probably meant: one edit away, or the same but for case. Looks at a bounded number of names.
pub(super) fn similar<'a>(name: &str, names: impl Iterator<Item = &'a Arc<str>>) -> Option<&'a str> {
    names
        .take(10_000)
        .find(|there| there.eq_ignore_ascii_case(name) || one_edit_apart(name.as_bytes(), there.as_bytes()))
        .map(|there| &**there)
}

fn one_edit_apart(a: &[u8], b: &[u8]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let (rest_short, rest_long) = (&short[same..], &long[same..]);
    match rest_long.split_first() {
        None => true,
        Some((_, tail)) if short.len() == long.len() => rest_short.get(1..) == Some(tail),
        Some((_, tail)) => rest_short == tail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_one_edit_away_is_found() {
        let names = ["orders", "payments"].map(Arc::from);
        for wrong in ["order", "ordersx", "ordxrs", "Orders", "rders"] {
            assert_eq!(similar(wrong, names.iter()), Some("orders"), "{wrong}");
        }
        for other in ["", "ordrse", "invoices", "or"] {
            assert_eq!(similar(other, names.iter()), None, "{other}");
        }
    }
}
