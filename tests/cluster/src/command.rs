//! Running a program to its end.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::error::ClusterError;

/// Runs a command, with a text as its input, and answers what it wrote.
pub(crate) async fn output(
    mut command: Command,
    input: Option<&str>,
) -> Result<String, ClusterError> {
    let described = describe(&command);
    let io = |source| ClusterError::Io {
        what: format!("run {described}"),
        source,
    };
    command
        .stdin(match input {
            Some(_) => Stdio::piped(),
            None => Stdio::null(),
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(io)?;
    let stdin = child.stdin.take();
    let (written, output) = tokio::join!(
        async {
            match (stdin, input) {
                (Some(mut stdin), Some(input)) => stdin.write_all(input.as_bytes()).await,
                _ => Ok(()),
            }
        },
        child.wait_with_output()
    );
    let output = output.map_err(io)?;
    if !output.status.success() {
        let said = [&output.stdout[..], &output.stderr].concat();
        return Err(ClusterError::Command {
            command: described,
            status: output.status,
            output: crate::log::last_lines(&String::from_utf8_lossy(&said), 30),
        });
    }
    written.map_err(io)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn describe(command: &Command) -> String {
    let command = command.as_std();
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
