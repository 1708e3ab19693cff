//! Whether an ordered queue kept the order of each airport, over deaths of consumers and of the broker.

use std::collections::{BTreeMap, BTreeSet};

use super::flights::Flight;
use super::ledger::Place;

/// Holds what came against what each airport's flights are in order; how many airports are right, and what is wrong.
///
/// A message may come again, but not after a later one of its airport. A flight that was published again after the crash
/// counts where it came first.
pub fn compare(
    expected: &BTreeMap<&str, Vec<usize>>,
    came: &[(Place, usize)],
    flights: &[Flight],
) -> (usize, Vec<String>) {
    let mut by_origin: BTreeMap<&str, Vec<(Place, usize)>> = BTreeMap::new();
    for (place, record) in came {
        by_origin.entry(&flights[*record].origin).or_default().push((*place, *record));
    }
    let none = Vec::new();
    let fault = |(origin, records): (&&str, &Vec<usize>)| {
        let came = by_origin.get(origin).unwrap_or(&none);
        fault_of(records, came).map(|fault| format!("flights from {origin}: {fault}"))
    };
    let faults: Vec<String> = expected.iter().filter_map(fault).collect();
    (expected.len() - faults.len(), faults)
}

fn fault_of(expected: &[usize], came: &[(Place, usize)]) -> Option<String> {
    if let Some(back) = came.windows(2).find(|pair| pair[1].0 < pair[0].0) {
        return Some(format!("record {} came after {}, which stands behind it", back[1].1, back[0].1));
    }
    let mut seen = BTreeSet::new();
    let firsts: Vec<usize> = came.iter().map(|(_, record)| *record).filter(|record| seen.insert(*record)).collect();
    let differs = |at: &usize| expected.get(*at) != firsts.get(*at);
    let at = (0..expected.len().max(firsts.len())).find(differs)?;
    Some(format!("record {:?} came where {:?} is next by date", firsts.get(at), expected.get(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(came: &[(i64, usize)]) -> String {
        let came: Vec<(Place, usize)> = came.iter().map(|(offset, record)| ((1, *offset), *record)).collect();
        fault_of(&[4, 7, 9], &came).unwrap_or_default()
    }

    #[test]
    fn what_comes_again_and_what_was_published_again_are_in_order() {
        assert_eq!(fault(&[(0, 4), (1, 7), (2, 9)]), "");
        assert_eq!(fault(&[(0, 4), (0, 4), (1, 7), (3, 7), (4, 9), (4, 9)]), "");
    }

    #[test]
    fn what_overtakes_is_found() {
        assert!(fault(&[(0, 4), (2, 9), (1, 7)]).contains("record 7 came after 9"));
        assert!(fault(&[(0, 4), (1, 7), (0, 4), (2, 9)]).contains("record 4 came after 7"));
        assert!(fault(&[(0, 4), (1, 9), (2, 7)]).contains("where Some(7) is next"));
        assert!(fault(&[(0, 4), (1, 7)]).contains("where Some(9) is next"));
    }
}
