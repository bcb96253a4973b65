//! A line on standard error that says how far a long piece of work is. Short work shows nothing, and
//! neither does work whose standard error is no terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_millis(700);
const PACE: Duration = Duration::from_millis(100);

/// A piece of work of known size.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    all: usize,
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Begins work of `all` steps.
    pub fn new(what: &'static str, all: usize) -> Self {
        let next = io::stderr()
            .is_terminal()
            .then(|| Instant::now() + PATIENCE);
        Self {
            what,
            all,
            next,
            shown: false,
        }
    }

    /// `done` steps are behind us.
    pub fn at(&mut self, done: usize) {
        let Some(next) = self.next.filter(|next| Instant::now() >= *next) else {
            return;
        };
        self.next = Some(next + PACE);
        self.shown = true;
        // Whether the line can be shown changes nothing about the work.
        let _ = write!(
            io::stderr(),
            "\r\x1b[2K{} {done} of {}",
            self.what,
            self.all
        );
    }

    /// Takes the line away.
    pub fn end(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}
