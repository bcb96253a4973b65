//! The few colours there are. Text is always written with them; `anstream` takes them out again
//! where standard output is no terminal or `NO_COLOR` is set, so nothing else asks about colour.

use anstyle::{AnsiColor, Style};

/// What is fine.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What waits, or deserves a second look.
pub const WAITING: Style = AnsiColor::Yellow.on_default();
/// What is wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is there for completeness.
pub const FAINT: Style = Style::new().dimmed();
/// Headings and names.
pub const STRONG: Style = Style::new().bold();
/// As the terminal is.
pub const PLAIN: Style = Style::new();

/// `text` in `style`; nothing at all around text in [`PLAIN`].
pub fn paint(style: Style, text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{style}{text}{style:#}")
    }
}

/// One colour of a fixed round for the `n`th workload of a picture.
pub fn nth(n: usize) -> Style {
    const ROUND: [AnsiColor; 6] = [
        AnsiColor::Cyan,
        AnsiColor::Magenta,
        AnsiColor::Green,
        AnsiColor::Yellow,
        AnsiColor::Blue,
        AnsiColor::BrightRed,
    ];
    ROUND
        .get(n % ROUND.len())
        .map_or(PLAIN, |color| color.on_default())
}
