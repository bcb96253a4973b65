//! One self-contained page: the results as a table, charts over time, and who has which device.
//!
//! No script, no font, no picture from elsewhere: the page may be mailed, archived, opened offline, and
//! its content security policy forbids all that it does not need. Colours come from a palette that
//! colour-blind people can tell apart, lines differ by dashes and devices by letters as well, and every
//! picture has its words, so nothing depends on seeing it. It follows the reader's choice of dark or light.

mod chart;
mod drawing;

use std::fmt::Write as _;

use super::run::Ran;
use chart::{Chart, Line, moment};

/// Names and numbers come from manifests and file names: nothing in them is markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

const STYLE: &str = include_str!("page/style.css");

/// A row of the table of results: what, each contender's value as text, and which is best.
#[derive(Debug, Clone)]
pub struct Row {
    /// What is counted.
    pub what: String,
    /// What it means, in a sentence.
    pub meaning: String,
    /// One a contender.
    pub values: Vec<String>,
    /// The positions of the best, where they differ.
    pub best: Vec<usize>,
}

/// The page.
pub fn page(title: &str, contenders: &[Ran], rows: &[Row], drawn_at: f64) -> String {
    let mut html = String::new();
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}: simulation</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>What would have been</h1>\n<p class=\"lead\">{lead}</p>\n",
        title = escape(title),
        lead = escape(&lead(title, contenders)),
    );
    if let Some(verdict) = verdict(contenders, rows) {
        let _ = writeln!(html, "<p class=\"verdict\">{}</p>", escape(&verdict));
    }
    html.push_str(&results(contenders, rows));
    let over_time = contenders.iter().any(|ran| ran.samples.len() > 2);
    if over_time {
        html.push_str("<h2>Over time</h2>\n");
        let length = contenders.first().map_or(0.0, |ran| ran.length);
        let tasks = !contenders.iter().any(|ran| ran.timed);
        html.push_str(&note(contenders, length, tasks, drawn_at));
        for (name, title, meaning, of) in CHARTS {
            let chart = Chart {
                id: name,
                title,
                meaning,
                length,
                tasks,
                marked: drawn_at.is_finite().then_some(drawn_at),
                lines: contenders
                    .iter()
                    .map(|ran| Line {
                        name: ran.name.clone(),
                        points: chart::means(
                            ran.samples
                                .iter()
                                .map(|sample| (sample.at, of(sample)))
                                .collect(),
                            length,
                        ),
                        mean: ran.mean(of),
                    })
                    .collect(),
            };
            html.push_str(&chart.svg());
        }
    }
    html.push_str(&drawing::drawing(contenders, drawn_at));
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

type Of = fn(&super::Sample) -> f64;

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of devices and workloads"
)]
const CHARTS: [(&str, &str, &str, Of); 3] = [
    (
        "waiting",
        "Workloads that wait",
        "Those that came and have not found devices yet.",
        |sample| sample.waiting as f64,
    ),
    (
        "stranded",
        "Stranded devices",
        "Free devices in groups that are partly taken: whoever needs a whole group cannot use them.",
        |sample| sample.devices.stranded as f64,
    ),
    (
        "fragmentation",
        "Fragmentation",
        "The share of the free devices that are stranded, in percent.",
        |sample| sample.devices.fragmentation() * 100.0,
    ),
];

fn lead(title: &str, contenders: &[Ran]) -> String {
    let names: Vec<&str> = contenders.iter().map(|ran| ran.name.as_str()).collect();
    let arrived = contenders.first().map_or(0, |ran| ran.arrived);
    let devices = contenders
        .first()
        .and_then(|ran| ran.samples.first())
        .map_or(0, |sample| sample.devices.used + sample.devices.free);
    format!(
        "{title}: {arrived} workloads and {devices} devices, placed by {}.",
        names.join(", ")
    )
}

/// Who is best at most, in a sentence; none where nothing differs.
fn verdict(contenders: &[Ran], rows: &[Row]) -> Option<String> {
    let decided: Vec<&Row> = rows.iter().filter(|row| !row.best.is_empty()).collect();
    if decided.is_empty() {
        return Some("All come to the same by every measure.".to_owned());
    }
    let wins = |number: usize| {
        decided
            .iter()
            .filter(|row| row.best.contains(&number))
            .count()
    };
    let most = (0..contenders.len()).map(wins).max()?;
    let best: Vec<&str> = (contenders.iter().enumerate())
        .filter(|(number, _)| wins(*number) == most)
        .map(|(_, ran)| ran.name.as_str())
        .collect();
    let all = decided.len();
    let of = if most == all {
        format!("all {all}")
    } else {
        format!("{most} of the {all}")
    };
    let are = if best.len() == 1 { "is" } else { "are" };
    Some(format!(
        "{} {are} best by {of} measures by which they differ.",
        best.join(" and ")
    ))
}

/// How to read the charts.
fn note(contenders: &[Ran], length: f64, tasks: bool, drawn_at: f64) -> String {
    let mut notes = Vec::new();
    if tasks {
        notes.push("Workloads come one after the other, in the order of the dump.".to_owned());
    }
    let longest = contenders.iter().map(|ran| ran.samples.len()).max();
    if longest > Some(usize::from(chart::STEPS)) {
        let minutes = length / f64::from(chart::STEPS);
        notes.push(format!("A step is the mean of {minutes:.0} minutes."));
    }
    if drawn_at.is_finite() {
        let at = moment(drawn_at, length);
        notes.push(format!(
            "The line at {at} is the moment that is drawn below."
        ));
    }
    if notes.is_empty() {
        return String::new();
    }
    format!("<p class=\"note\">{}</p>\n", escape(&notes.join(" ")))
}

fn results(contenders: &[Ran], rows: &[Row]) -> String {
    let mut html = "<h2>Results</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Measure</th>".to_owned();
    for (number, ran) in contenders.iter().enumerate() {
        let _ = write!(
            html,
            "<th scope=\"col\">{} {}</th>",
            chart::key(number),
            escape(&ran.name)
        );
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{}<span>{}</span></th>",
            escape(&row.what),
            escape(&row.meaning)
        );
        for (number, value) in row.values.iter().enumerate() {
            if row.best.contains(&number) {
                let _ = write!(
                    html,
                    "<td class=\"best\"><strong>{}</strong><span> best</span></td>",
                    escape(value)
                );
            } else {
                let _ = write!(html, "<td>{}</td>", escape(value));
            }
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table></div>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_markup() {
        assert_eq!(
            escape("<a href='x'>&\u{1b}"),
            "&lt;a href=&#39;x&#39;&gt;&amp;\u{fffd}"
        );
    }
}
