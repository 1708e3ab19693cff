//! The report for a person.

use super::report::{Report, Row};

/// Prints it.
pub fn print(report: &Report) {
    let Report { records, confirmed_at_kill, restart_ms, published_again, dropped_by_consumers, .. } = report;
    println!(
        "{records} flights published; the broker killed with -9 after {confirmed_at_kill} confirms, ready again after {restart_ms} ms"
    );
    println!(
        "{published_again} records published again after the crash; {dropped_by_consumers} deliveries went back as their consumers died\n"
    );
    let head = [
        "queue",
        "takes",
        "expected",
        "received",
        "stored twice",
        "duplicates",
        "as attempt 1",
        "came back",
        "in order",
        "dead expected",
        "dead",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    lines.last_mut().into_iter().for_each(|line| line.push("dead letters".to_owned()));
    lines.extend(report.queues.iter().map(cells));
    let widths: Vec<usize> =
        (0..lines[0].len()).map(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or(0)).collect();
    for line in lines {
        println!("{}", aligned(&line, &widths));
    }
    println!(
        "\n{}",
        if report.faults == 0 { "no difference".to_owned() } else { format!("{} differences:", report.faults) }
    );
    report.shown.iter().for_each(|fault| println!("  {fault}"));
}

fn cells(row: &Row) -> Vec<String> {
    let reasons: Vec<String> = row.reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let numbers = [
        row.expected as u64,
        row.received as u64,
        row.stored_twice as u64,
        row.duplicates,
        row.unmarked,
        row.came_back,
        row.keys_in_order as u64,
        row.dead_expected as u64,
        row.dead as u64,
    ];
    let mut cells = vec![row.queue.to_owned(), row.takes.clone()];
    cells.extend(numbers.map(|number| number.to_string()));
    cells.push(reasons.join(", "));
    cells
}

/// Words to the left, numbers to the right.
fn aligned(line: &[String], widths: &[usize]) -> String {
    let last = line.len() - 1;
    let cell = |(column, (text, width)): (usize, (&String, &usize))| match column {
        0 | 1 => format!("{text:<width$}"),
        _ if column == last => text.clone(),
        _ => format!("{text:>width$}"),
    };
    let cells: Vec<String> = line.iter().zip(widths).enumerate().map(cell).collect();
    cells.join("  ")
}
