//! What one run of a client's benchmark says.

use std::fmt;

use serde::Deserialize;

use crate::run::Failure;

/// In the order of the table: names as in tests/conformance/README.md.
pub const NAMES: [&str; 6] =
    ["stubs publish", "client publish", "stubs consume", "client consume", "broker publish", "broker through"];

/// Messages each second by name, in the order of [`NAMES`].
#[derive(Clone, Debug, PartialEq)]
pub struct Figures(pub [f64; NAMES.len()]);

#[derive(Deserialize)]
struct Line {
    name: String,
    messages_per_second: f64,
}

impl Figures {
    /// Of the lines of JSON in what a runner prints. One that is missing is an error.
    pub fn read(printed: &[u8]) -> Result<Self, Failure> {
        let text = String::from_utf8_lossy(printed);
        let lines = text.lines().filter(|line| line.starts_with('{')).map(serde_json::from_str);
        let lines = lines.collect::<Result<Vec<Line>, _>>()?;
        let mut figures = [0.0; NAMES.len()];
        for (figure, name) in figures.iter_mut().zip(NAMES) {
            let line = lines.iter().find(|line| line.name == name);
            *figure = line.ok_or_else(|| format!("the runner did not measure `{name}`"))?.messages_per_second;
        }
        Ok(Self(figures))
    }

    /// Client over stubs: publishing, consuming.
    pub fn ratios(&self) -> [f64; 2] {
        let [stubs_publish, publish, stubs_consume, consume, ..] = self.0;
        [publish / stubs_publish, consume / stubs_consume]
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, figure) in NAMES.iter().zip(self.0) {
            write!(f, "{name} {figure:.0}, ")?;
        }
        let [publish, consume] = self.ratios();
        write!(f, "client over stubs {publish:.2} and {consume:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_their_names_and_all_have_to_be_there() {
        let mut printed = String::from("a warning\n");
        for (figure, name) in NAMES.iter().enumerate().rev() {
            printed += &format!("{{\"name\": \"{name}\", \"messages_per_second\": {}}}\n", figure + 1);
        }
        let figures = Figures::read(printed.as_bytes()).expect("all are there");
        assert_eq!(figures, Figures([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(figures.ratios(), [2.0, 4.0 / 3.0]);
        assert!(Figures::read(b"{\"name\": \"stubs publish\", \"messages_per_second\": 1}").is_err());
    }
}
