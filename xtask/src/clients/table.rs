//! The table of docs/clients.md.

use super::LANGUAGES;
use super::figures::Figures;
use crate::run::Failure;

const BEGIN: &str = "<!-- speed: begin -->\n";
const END: &str = "<!-- speed: end -->";
const HEAD: &str = "\
| | Stubs: publish | Client: publish | Of it | Stubs: consume, ack | Client: consume, ack | Of it | Broker: publish | Broker: publish, deliver, ack |
|---|---|---|---|---|---|---|---|---|
";

/// The table with new rows for what was measured and the page's own for the rest, and the page with that table.
pub fn written(page: &str, measured: &[(&str, Vec<Figures>)]) -> Result<(String, String), Failure> {
    let begin = page.find(BEGIN).ok_or("the page has no begin of the table")? + BEGIN.len();
    let end = begin + page[begin..].find(END).ok_or("the page has no end of the table")?;
    let old = &page[begin..end];
    let mut table = HEAD.to_owned();
    for (_, title) in LANGUAGES {
        if let Some((_, rounds)) = measured.iter().find(|(name, _)| *name == title) {
            table += &row(title, rounds);
        } else if let Some(line) = old.lines().find(|line| line.starts_with(&format!("| {title} |"))) {
            table += &format!("{line}\n");
        }
    }
    let page = format!("{}{table}{}", &page[..begin], &page[end..]);
    Ok((table, page))
}

fn row(title: &str, rounds: &[Figures]) -> String {
    let rate = |index: usize| thousands(median(rounds.iter().map(|round| round.0[index]).collect()));
    let ratio = |index: usize| median(rounds.iter().map(|round| round.ratios()[index]).collect());
    format!(
        "| {title} | {} | {} | {:.2} | {} | {} | {:.2} | {} | {} |\n",
        rate(0),
        rate(1),
        ratio(0),
        rate(2),
        rate(3),
        ratio(1),
        rate(4),
        rate(5),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match (values.len() % 2, half.checked_sub(1)) {
        (0, Some(below)) => (values[below] + values[half]) / 2.0,
        _ => values.get(half).copied().unwrap_or(f64::NAN),
    }
}

/// Rounded to thousands: no run says more.
fn thousands(rate: f64) -> String {
    let thousands = (rate / 1000.0).round() as u64;
    match (thousands / 1000, thousands % 1000) {
        (0, below) => format!("{below},000"),
        (millions, below) => format!("{millions},{below:03},000"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_written_by_its_medians_and_the_rest_stays() {
        let page = format!("before\n{BEGIN}{HEAD}| Rust | old |\n| Go | kept |\n{END}\nafter\n");
        let round = |rate: f64| Figures([1_000_000.0, rate, 400_000.0, 300_000.0, 4_000.0, 999.6]);
        let measured = [("Rust", vec![round(500_000.0), round(900_000.0), round(800_000.0)])];
        let (table, page) = written(&page, &measured).expect("the page has a table");
        let rust = "| Rust | 1,000,000 | 800,000 | 0.80 | 400,000 | 300,000 | 0.75 | 4,000 | 1,000 |\n";
        assert_eq!(table, format!("{HEAD}{rust}| Go | kept |\n"));
        assert_eq!(page, format!("before\n{BEGIN}{table}{END}\nafter\n"));
        assert!(written("no table", &measured).is_err());
    }
}
