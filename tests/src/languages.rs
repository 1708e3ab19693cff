//! The languages that have a client, and what is needed to try it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// All of them, in the order of their tables.
pub const LANGUAGES: [Language; 5] = [
    Language { name: "rust", title: "Rust", needs: &["cargo"] },
    Language { name: "python", title: "Python", needs: &["python3"] },
    Language { name: "typescript", title: "TypeScript", needs: &["node", "npm"] },
    Language { name: "go", title: "Go", needs: &["go"] },
    Language { name: "java", title: "Java", needs: &["java", "mvn"] },
];

/// One of them.
pub struct Language {
    /// Of its directory below client/.
    pub name: &'static str,
    /// As people write it.
    pub title: &'static str,
    /// Programs that have to be on the PATH.
    needs: &'static [&'static str],
}

impl Language {
    /// Whether it is wanted and its toolchain is here. Says so if it is missing, and fails in CI.
    pub fn is_here(&self) -> bool {
        let wanted = std::env::var("TEST_LANGUAGES").ok();
        if wanted.is_some_and(|wanted| !wanted.split(',').any(|name| name == self.name)) {
            return false;
        }
        let missing: Vec<_> = self.needs.iter().filter(|program| !on_path(program)).collect();
        if missing.is_empty() {
            return true;
        }
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} needs {missing:?}", self.title);
        eprintln!("SKIPPED: the {} client, as {missing:?} is not on the PATH", self.title);
        false
    }

    /// A script of its directory, with nothing on stdin.
    pub fn script(&self, path: &str) -> Command {
        let mut command = Command::new(root().join("client").join(self.name).join(path));
        command.stdin(Stdio::null());
        command
    }
}

/// Of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All that a command printed.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
