//! Problems of an expression and how they are shown: line, column, the line itself and a caret.

use super::ErrorKind;

/// Something wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ErrorKind,
    /// Byte offset in the expression; none if the problem is with the expression as a whole.
    pub(crate) position: Option<u32>,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn at(kind: ErrorKind, position: u32, message: impl Into<String>) -> Self {
        Self {
            kind,
            position: Some(position),
            message: message.into(),
        }
    }

    pub(crate) fn of_the_whole(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            position: None,
            message: message.into(),
        }
    }
}

/// More problems than this are counted, not shown.
const MOST_SHOWN: usize = 100;

/// A longer line is not repeated below its problem.
const LONGEST_SHOWN_LINE: usize = 16 * 1024;

/// Puts problems in the order of the source.
pub(crate) fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| problem.position);
    problems
}

/// All problems as upstream writes them, one after the other.
pub(crate) fn render(source: &str, problems: &[Problem]) -> String {
    let mut lines: Vec<String> = problems
        .iter()
        .take(MOST_SHOWN)
        .map(|problem| render_one(source, problem))
        .collect();
    if let Some(more @ 1..) = problems.len().checked_sub(MOST_SHOWN) {
        lines.push(format!("{more} more errors were truncated"));
    }
    lines.join("\n")
}

fn render_one(source: &str, problem: &Problem) -> String {
    let Some(position) = problem.position else {
        return format!("ERROR: <input>:-1:0: {}", problem.message);
    };
    let position = (position as usize).min(source.len());
    let before = source.get(..position).unwrap_or(source);
    let line_number = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let rest = source.get(line_start..).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default();
    let left = before.get(line_start..).unwrap_or_default();
    let column = left.chars().count() + 1;
    let mut text = format!("ERROR: <input>:{line_number}:{column}: {}", problem.message);
    if line.len() <= LONGEST_SHOWN_LINE && !line.is_empty() {
        // Wide characters get wide dots, so that the caret stands where it should.
        let mark = |c: char, narrow, wide| if c.len_utf8() > 1 { wide } else { narrow };
        let dots: String = left.chars().map(|c| mark(c, '.', '\u{ff0e}')).collect();
        let at = line.get(left.len()..).and_then(|rest| rest.chars().next());
        let caret = mark(at.unwrap_or(' '), '^', '\u{ff3e}');
        let line = line.replace('\t', " ");
        text.push_str(&format!("\n | {line}\n | {dots}{caret}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line_and_a_caret_below_the_token() {
        let problem = Problem::at(ErrorKind::Undeclared, 12, "undeclared reference to 'nope'");
        assert_eq!(
            render("true &&\n    nope", &[problem]),
            "ERROR: <input>:2:5: undeclared reference to 'nope'\n |     nope\n | ....^"
        );
    }

    #[test]
    fn wide_characters_keep_the_caret_in_place() {
        let problem = Problem::at(ErrorKind::Syntax, 6, "no");
        assert_eq!(
            render("'é' ?", &[problem]),
            "ERROR: <input>:1:6: no\n | 'é' ?\n | .\u{ff0e}...^"
        );
    }

    #[test]
    fn problems_are_shown_in_the_order_of_the_source() {
        let problems = in_order(vec![
            Problem::at(ErrorKind::Type, 9, "second"),
            Problem::at(ErrorKind::Syntax, 2, "first"),
            Problem::of_the_whole(ErrorKind::Other, "whole"),
        ]);
        let order: Vec<_> = problems.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(order, ["whole", "first", "second"]);
    }
}
