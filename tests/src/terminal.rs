//! The command line, as people see it: on a terminal.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A command whose stdout and stderr are a terminal.
pub struct Terminal {
    child: Child,
    screen: File,
    seen: String,
}

impl Terminal {
    /// Starts a command on a terminal of this size. What it has as stdin stays.
    pub fn start(mut command: Command, rows: u16, columns: u16) -> Self {
        let (screen, terminal) = pair(rows, columns).expect("a pseudo terminal");
        command.stdout(terminal.try_clone().expect("a file")).stderr(Stdio::from(terminal));
        let child = command.spawn().expect("the binary runs");
        // It holds the command's end open as well, and the end of what is seen could not come.
        drop(command);
        Self { child, screen: screen.into(), seen: String::new() }
    }

    /// Waits until this is seen; all that was seen up to its end, since the last time.
    pub fn until(&mut self, text: &str) -> String {
        while !self.seen.contains(text) {
            assert!(self.read(), "not seen: {text:?} in {:?}", self.seen);
        }
        let end = self.seen.find(text).map_or(0, |at| at + text.len());
        self.seen.drain(..end).collect()
    }

    /// What Ctrl-C does.
    pub fn interrupt(&self) {
        crate::cli::interrupt(&self.child);
    }

    /// What is seen until its end, and the exit code; -1 if a signal ended it.
    pub fn ended(mut self) -> (String, i32) {
        while self.read() {}
        let code = self.child.wait().expect("a child can be waited for").code().unwrap_or(-1);
        (std::mem::take(&mut self.seen), code)
    }

    fn read(&mut self) -> bool {
        let mut some = [0; 4096];
        // Linux calls it an error that nobody has the other end any more.
        let count = self.screen.read(&mut some).unwrap_or(0);
        self.seen.push_str(&String::from_utf8_lossy(&some[..count]));
        count > 0
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our end, and that of the command.
fn pair(rows: u16, columns: u16) -> io::Result<(OwnedFd, File)> {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&screen)?;
    unlockpt(&screen)?;
    let name = ptsname(&screen, Vec::new())?;
    let terminal = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size)?;
    Ok((screen, terminal.into()))
}
