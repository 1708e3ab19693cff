//! Each client's package passes its own formatter, linters and tests: `client/LANG/check`. What all of them have to do is in languages.rs.
//!
//! A language whose toolchain is not here is skipped, and said to be; in CI that is a failure. TEST_LANGUAGES=go,java checks only these.

use ferrymq_tests::languages::{LANGUAGES, Language, text};

#[test]
fn every_package_passes_its_own_checks() {
    let failed: Vec<_> = LANGUAGES.iter().filter(|language| language.is_here()).filter_map(fault).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn fault(language: &Language) -> Option<String> {
    let mut check = language.script("check");
    check.env("FERRYMQ_PROGRAM", ferrymq_tests::binary()).env("TEST_BROKER", ferrymq_tests::binary());
    let output = check.env("TEST_STAGE", env!("CARGO_BIN_EXE_stage")).output().expect("the script runs");
    (!output.status.success()).then(|| format!("{}: {}\n{}", language.title, output.status, text(&output)))
}
