//! Holds the dependencies to the licences, bans and sources of deny.toml, with nothing but `cargo metadata`.

use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;

use crate::run::{Failure, output, root};

/// The part of deny.toml that is checked here.
#[derive(Deserialize)]
struct Policy {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Checks every package that the workspace can pull in, on any platform.
pub fn check() -> Result<(), Failure> {
    let policy: Policy = toml::from_str(&fs::read_to_string(root().join("deny.toml"))?)?;
    let metadata: Metadata =
        serde_json::from_slice(&output("cargo", &["metadata", "--format-version", "1", "--locked"])?)?;
    let findings: Vec<String> = metadata.packages.iter().flat_map(|package| findings(&policy, package)).collect();
    for finding in &findings {
        eprintln!("{finding}");
    }
    println!("{} packages, {} findings", metadata.packages.len(), findings.len());
    if findings.is_empty() { Ok(()) } else { Err("dependencies break the policy of deny.toml".into()) }
}

fn findings(policy: &Policy, package: &Package) -> Vec<String> {
    let Package { name, version, .. } = package;
    let mut findings = Vec::new();
    let expression = package.license.as_deref().unwrap_or("");
    if !allowed(expression, &policy.licenses.allow) {
        findings.push(format!("{name} {version}: licence `{expression}` is not allowed"));
    }
    if policy.bans.deny.iter().any(|banned| banned.name == *name) {
        findings.push(format!("{name} {version}: banned"));
    }
    let registry = package.source.as_deref().map(|source| source.strip_prefix("registry+").unwrap_or(source));
    if registry.is_some_and(|registry| !policy.sources.allow_registry.contains(registry)) {
        findings.push(format!("{name} {version}: source {registry:?} is not allowed"));
    }
    findings
}

/// Whether an SPDX expression can be met with the allowed licences alone. AND binds closer than OR; `/` is an old OR. A
/// parenthesis around alternatives is understood where it stands for one side of an AND; anything else is refused.
fn allowed(expression: &str, licences: &BTreeSet<String>) -> bool {
    let expression = expression.trim();
    if let Some(sides) = split_outside(expression, &[" OR ", "/"]) {
        return sides.iter().any(|side| allowed(side, licences));
    }
    if let Some(sides) = split_outside(expression, &[" AND "]) {
        return sides.iter().all(|side| allowed(side, licences));
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => allowed(inner, licences),
        None => licences.contains(expression),
    }
}

/// Splits at the first separator that is outside of parentheses, if there is one.
fn split_outside<'a>(expression: &'a str, separators: &[&str]) -> Option<[&'a str; 2]> {
    let mut depth = 0_u32;
    for (at, character) in expression.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        let found = separators.iter().find(|separator| depth == 0 && expression[at..].starts_with(**separator));
        if let Some(separator) = found {
            return Some([&expression[..at], &expression[at + separator.len()..]]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions() {
        let licences = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned).into();
        for good in ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT", "(MIT OR GPL-3.0) AND Unicode-3.0", "MIT AND Apache-2.0"] {
            assert!(allowed(good, &licences), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR LGPL-3.0) AND MIT", ")MIT("] {
            assert!(!allowed(bad, &licences), "{bad}");
        }
    }
}
