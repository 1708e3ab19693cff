//! A broker process on a free port, ended with the value that stands for it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use ferrymq_client::Client;
use tempfile::TempDir;

const READY_WITHIN: Duration = Duration::from_secs(30);
const EXIT_WITHIN: Duration = Duration::from_secs(60);

/// A broker with a directory of its own. Killed when dropped.
#[derive(Debug)]
pub struct Broker {
    home: TempDir,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    child: Child,
    address: SocketAddr,
}

impl Broker {
    /// A broker that keeps its data on disk.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with more arguments of `ferrymq serve`.
    pub fn start_with(extra: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let data = home.path().join("data").display().to_string();
        let mut arguments = vec!["--data".to_owned(), data];
        arguments.extend(extra.iter().map(|&argument| argument.to_owned()));
        Self::launch(home, arguments, &[])
    }

    /// A broker that keeps its data on disk, with settings: keys of the settings file and their values.
    pub fn durable_with(settings: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let data = home.path().join("data").display().to_string();
        Self::launch(home, vec!["--data".to_owned(), data], settings)
    }

    /// A broker in memory.
    pub fn ephemeral() -> Self {
        Self::ephemeral_with(&[])
    }

    /// The same, with settings: keys of the settings file and their values.
    pub fn ephemeral_with(settings: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        Self::launch(home, vec!["--ephemeral".to_owned()], settings)
    }

    fn launch(home: TempDir, arguments: Vec<String>, settings: &[(&str, &str)]) -> Self {
        let variable = |key: &str| format!("FERRYMQ_{}", key.to_ascii_uppercase());
        let variables: Vec<_> = settings.iter().map(|(key, value)| (variable(key), (*value).to_owned())).collect();
        let mut child = spawn(home.path(), &arguments, &variables);
        let address = wait_until_ready(&mut child, home.path());
        Self { home, arguments, variables, child, address }
    }

    /// `ip:port`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory that everything of it is in.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// `http://ip:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client of its own connection.
    pub async fn client(&self) -> Client {
        Client::connect(self.url()).await.expect("the broker accepts connections")
    }

    /// Ends it with SIGKILL, and waits until it is gone.
    pub fn kill9(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        self.child.wait().expect("a child can be waited for");
    }

    /// Sends SIGTERM.
    pub fn sigterm(&self) {
        let status = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(status.expect("kill runs").success(), "the broker was gone before SIGTERM");
    }

    /// Waits, for a bounded time, until it has exited by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let exited = poll(EXIT_WITHIN, || self.child.try_wait().expect("a child can be waited for"));
        exited.unwrap_or_else(|| panic!("the broker did not exit in {EXIT_WITHIN:?}:\n{}", self.log()))
    }

    /// Starts it again over the same data, on another port. It has to have ended before.
    pub fn restart(&mut self) {
        self.child = spawn(self.home.path(), &self.arguments, &self.variables);
        self.address = wait_until_ready(&mut self.child, self.home.path());
    }

    /// What it wrote to stderr since its last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill9();
    }
}

fn spawn(home: &Path, arguments: &[String], variables: &[(String, String)]) -> Child {
    let port_file = home.join("port");
    // The port of an earlier start must not be taken for this one's.
    let _ = fs::remove_file(&port_file);
    let stderr = fs::File::create(home.join("stderr")).expect("a file in the temporary directory");
    let mut command = Command::new(binary());
    // What is set around the test is not for this broker.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FERRYMQ_")) {
        command.env_remove(name);
    }
    command
        .arg("serve")
        .args(arguments)
        .envs(variables.iter().cloned())
        .args(["--listen", "127.0.0.1:0", "--port-file"])
        .arg(port_file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .expect("the broker's binary runs")
}

fn wait_until_ready(child: &mut Child, home: &Path) -> SocketAddr {
    let log = || fs::read_to_string(home.join("stderr")).unwrap_or_default();
    let address = poll(READY_WITHIN, || {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            panic!("the broker ended before it was ready: {status}\n{}", log());
        }
        fs::read_to_string(home.join("port")).ok()?.trim().parse().ok()
    });
    if address.is_none() {
        let _ = child.kill();
    }
    address.unwrap_or_else(|| panic!("the broker was not ready in {READY_WITHIN:?}:\n{}", log()))
}

/// Asks again and again, less and less often, until there is an answer or the time is over.
fn poll<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    let mut pause = Duration::from_millis(1);
    loop {
        match ask() {
            Some(answer) => return Some(answer),
            None if Instant::now() >= deadline => return None,
            None => thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The path of the `ferrymq` binary: what TEST_BROKER names, else built once for each test program, in the profile of that program.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(binary) = std::env::var_os("TEST_BROKER") {
            return binary.into();
        }
        let profile = cargo_build(&["-p", "ferrymq-cli", "--bin", "ferrymq"]);
        profile.join(format!("ferrymq{}", std::env::consts::EXE_SUFFIX))
    })
}

/// Builds, in the profile of the test program; the directory that what was built is in.
pub(crate) fn cargo_build(what: &[&str]) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    let own = own.parent().expect("a program is in a directory");
    // A test is in target/PROFILE/deps, a task of the repository in target/PROFILE.
    let profile = if own.ends_with("deps") { own.parent().unwrap_or(own) } else { own };
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet"]).args(what);
    // Planted bugs: see `cargo xtask planted`.
    build.args(std::env::var("TEST_FEATURES").iter().flat_map(|features| ["--features", features]));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).status();
    assert!(status.expect("cargo runs").success(), "{what:?} does not build");
    profile.to_owned()
}
