//! How a command ends. Scripts go by these three numbers, so there are only three.

use std::process::ExitCode;

/// What a command's exit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything asked for was done.
    Done,
    /// 1: the input was fine, but the answer is "not (all of it)": pending pods, a refused policy.
    Unsatisfied,
    /// 2: the input or the flags are wrong; nothing was decided.
    BadInput,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Unsatisfied => 1,
            Exit::BadInput => 2,
        })
    }
}
