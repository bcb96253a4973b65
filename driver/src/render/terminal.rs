//! Where output goes and how wide it may be.

use std::io::{self, IsTerminal as _};

/// How wide standard output is: `None` where it is no terminal and lines may be of any length.
pub fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    columns.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)))
}

/// Writes to standard output; a reader that has seen enough (`| head`) is no error.
pub fn print(text: &str) -> io::Result<()> {
    write(anstream::stdout().lock(), text)
}

/// Writes to standard error, likewise.
pub fn print_error(text: &str) -> io::Result<()> {
    write(anstream::stderr().lock(), text)
}

fn write(mut out: impl io::Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
