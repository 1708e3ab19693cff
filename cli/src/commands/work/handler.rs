//! One process for one message.

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use ferrymq_client::{HandlerError, Received};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::environment;
use super::tail::Tail;

/// The exit code that means: never again.
const REJECT: i32 = 100;
/// What a handler left running may hold its stderr open for so long.
const STDERR_WITHIN: Duration = Duration::from_millis(200);
const STDERR_CHUNK_BYTES: usize = 8 << 10;

/// What is run, and how.
pub struct Handler {
    pub command: Vec<OsString>,
    pub timeout: Option<Duration>,
    pub queue: String,
    pub url: String,
    /// True once everything has to end now.
    pub killed: watch::Receiver<bool>,
}

/// How a process ended.
enum End {
    Exited(ExitStatus),
    TimedOut(Duration),
    Killed,
}

impl Handler {
    /// Gives a process the payload, waits for its end, and says what that means for the message.
    pub async fn run(&self, received: Received) -> Result<(), HandlerError> {
        let mut child = self.start(&received).map_err(|error| self.not_run(&error))?;
        let mut group = Group::of(&child);
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let mut tail = Tail::default();
        let end = self.talk(&mut child, feed(stdin, received.payload().clone()), pass_on(stderr, &mut tail), &group);
        let end = end.await.map_err(|error| self.not_run(&error))?;
        group.let_go();
        outcome(end, &tail)
    }

    fn start(&self, received: &Received) -> io::Result<Child> {
        Command::new(&self.command[0])
            .args(&self.command[1..])
            .envs(environment::of(received, &self.queue, &self.url))
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for us: handlers drain.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    /// Until the process ends. It need not read what it is given, nor close what it writes to: only its end counts.
    async fn talk(
        &self,
        child: &mut Child,
        feeding: impl Future<Output = ()>,
        passing_on: impl Future<Output = ()>,
        group: &Group,
    ) -> io::Result<End> {
        tokio::pin!(feeding, passing_on);
        let (mut fed, mut passed_on) = (false, false);
        let mut ending = std::pin::pin!(self.end(child));
        let end = loop {
            tokio::select! {
                end = &mut ending => break end?,
                () = &mut feeding, if !fed => fed = true,
                () = &mut passing_on, if !passed_on => passed_on = true,
            }
        };
        if !matches!(end, End::Exited(_)) {
            group.kill();
        }
        if !passed_on {
            // An error means that something it started still writes.
            let _ = timeout(STDERR_WITHIN, passing_on).await;
        }
        Ok(end)
    }

    async fn end(&self, child: &mut Child) -> io::Result<End> {
        let mut killed = self.killed.clone();
        let limit = self.timeout.unwrap_or(Duration::MAX);
        tokio::select! {
            status = child.wait() => Ok(End::Exited(status?)),
            () = sleep(limit), if self.timeout.is_some() => Ok(End::TimedOut(limit)),
            Ok(_) = killed.wait_for(|killed| *killed) => Ok(End::Killed),
        }
    }

    fn not_run(&self, error: &io::Error) -> HandlerError {
        HandlerError::Retry(format!("cannot run `{}`: {error}", self.command[0].to_string_lossy()))
    }
}

fn outcome(end: End, tail: &Tail) -> Result<(), HandlerError> {
    let status = match end {
        End::Exited(status) if status.success() => return Ok(()),
        End::Exited(status) => status,
        End::TimedOut(limit) => return Err(HandlerError::Retry(format!("killed: it took longer than {limit:?}"))),
        End::Killed => return Err(HandlerError::Retry("killed: the worker was told to stop at once".to_owned())),
    };
    let reason = tail.text().unwrap_or_else(|| status.to_string());
    Err(if status.code() == Some(REJECT) { HandlerError::Reject(reason) } else { HandlerError::Retry(reason) })
}

async fn feed(stdin: Option<ChildStdin>, payload: Bytes) {
    if let Some(mut stdin) = stdin {
        // It need not want the payload.
        let _ = stdin.write_all(&payload).await;
    }
}

/// To our own stderr, and its end into `tail`.
async fn pass_on(stderr: Option<impl AsyncRead + Unpin>, tail: &mut Tail) {
    let Some(mut stderr) = stderr else { return };
    let mut chunk = vec![0; STDERR_CHUNK_BYTES];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        tail.push(&chunk[..count]);
        // Nobody may be reading ours.
        let _ = tokio::io::stderr().write_all(&chunk[..count]).await;
    }
}

/// A process and all that it started. Killed when dropped, where nobody waits any more, unless the process has ended by itself.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn let_go(&mut self) {
        self.0 = None;
    }

    fn kill(&self) {
        if let Some(leader) = self.0 {
            // An error means that all of it is gone.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use ferrymq_client::v1::{Delivery, Message};

    use super::*;

    /// What becomes of a message of this payload that a shell handles.
    async fn handled(script: &str, payload: &str, timeout: Option<Duration>) -> Result<(), HandlerError> {
        let (_kill, killed) = watch::channel(false);
        let command = ["sh", "-c", script].map(OsString::from).to_vec();
        let handler = Handler { command, timeout, queue: "q".into(), url: "http://h:1".into(), killed };
        let message = Message { payload: payload.to_owned().into(), ..Message::default() };
        let delivery = Delivery { message: Some(message), attempt: 3, ..Delivery::default() };
        handler.run(Received::from(delivery)).await
    }

    #[tokio::test]
    async fn the_exit_code_settles() {
        assert_eq!(handled(r#"[ "$(cat)$FERRYMQ_ATTEMPT" = hello3 ]"#, "hello", None).await, Ok(()));
        let rejected = handled("echo 'no such account' >&2; exit 100", "", None).await;
        assert_eq!(rejected, Err(HandlerError::reject("no such account")));
        let again = handled("exit 7", "", None).await;
        assert_eq!(again, Err(HandlerError::Retry("exit status: 7".into())));
    }

    #[tokio::test]
    async fn what_is_not_read_or_not_closed_keeps_nobody_waiting() {
        assert_eq!(handled("exit 0", &"x".repeat(1 << 20), None).await, Ok(()));
        // The child of the shell holds stderr for longer than anybody waits.
        assert_eq!(handled("sleep 3 & exit 0", "", None).await, Ok(()));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_killed_with_all_that_it_started() {
        let late = handled("echo begun >&2; sleep 600; true", "", Some(Duration::from_millis(50))).await;
        assert_eq!(late, Err(HandlerError::Retry("killed: it took longer than 50ms".into())));
    }
}
