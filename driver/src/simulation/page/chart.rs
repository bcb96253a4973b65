//! A chart of something over time, one line a contender.

use std::fmt::Write as _;

use super::escape;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 210.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 30.0;
/// The most steps that a line is drawn in: with more it is a hedge, and says nothing.
pub(super) const STEPS: u16 = 144;
/// How the lines of contenders differ for who does not see their colours.
const DASHES: [&str; 5] = ["7 4", "none", "2 3", "10 3 2 3", "4 2"];

/// A chart.
pub(super) struct Chart<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) meaning: &'a str,
    /// How long the course is, in minutes.
    pub(super) length: f64,
    /// Whether the time counts tasks rather than minutes.
    pub(super) tasks: bool,
    /// A moment that the reader is shown more of, in minutes.
    pub(super) marked: Option<f64>,
    pub(super) lines: Vec<Line>,
}

/// One contender's line.
pub(super) struct Line {
    pub(super) name: String,
    /// Minutes and value; the value holds until the next point.
    pub(super) points: Vec<(f64, f64)>,
    pub(super) mean: f64,
}

/// The mean of each [`STEPS`]th of the time; the line as it is, where it has no more points than that.
pub(super) fn means(points: Vec<(f64, f64)>, length: f64) -> Vec<(f64, f64)> {
    if points.len() <= usize::from(STEPS) {
        return points;
    }
    let width = length / f64::from(STEPS);
    let ends = points.iter().skip(1).map(|(at, _)| *at).chain([length]);
    let pieces: Vec<(f64, f64, f64)> = points
        .iter()
        .zip(ends)
        .map(|((at, value), end)| (*at, end, *value))
        .collect();
    let mean = |step: u16| {
        let (from, to) = (width * f64::from(step), width * f64::from(step + 1));
        let within = pieces
            .iter()
            .map(|(at, end, value)| (end.min(to) - at.max(from)).max(0.0) * value);
        (from, within.sum::<f64>() / width)
    };
    (0..STEPS).map(mean).collect()
}

/// A sample of a contender's line.
pub(super) fn key(number: usize) -> String {
    format!(
        "<svg viewBox=\"0 0 28 12\" aria-hidden=\"true\"><line x1=\"0\" y1=\"6\" x2=\"28\" y2=\"6\" {}/></svg>",
        stroke(number)
    )
}

fn stroke(number: usize) -> String {
    let dashes = DASHES.get(number % DASHES.len()).copied().unwrap_or("none");
    format!(
        "fill=\"none\" stroke=\"var(--c{})\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\"",
        number % DASHES.len()
    )
}

impl Chart<'_> {
    /// The figure, with its caption and what it says in words.
    pub(super) fn svg(&self) -> String {
        let most = self
            .lines
            .iter()
            .flat_map(|line| &line.points)
            .map(|(_, value)| *value)
            .fold(0.0, f64::max);
        let (top, step) = scale(most);
        let x = |minutes: f64| {
            LEFT + (WIDTH - LEFT - RIGHT)
                * (minutes / self.length.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
        };
        let y =
            |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / top).clamp(0.0, 1.0);
        let id = self.id;
        let mut html = format!(
            "<figure>\n<figcaption>{}<span>{}</span></figcaption>\n<ul class=\"legend\">",
            escape(self.title),
            escape(self.meaning)
        );
        for (number, line) in self.lines.iter().enumerate() {
            let _ = write!(
                html,
                "<li>{} {}, {:.1} on average</li>",
                key(number),
                escape(&line.name),
                line.mean
            );
        }
        let _ = write!(
            html,
            "</ul>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>\n",
            escape(self.title),
            escape(&self.words())
        );
        let mut value = 0.0;
        while value <= top + step / 2.0 {
            let _ = writeln!(
                html,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{1}\" y2=\"{0:.1}\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{value}</text>",
                y(value),
                WIDTH - RIGHT,
                LEFT - 6.0,
                y(value) + 4.0
            );
            value += step;
        }
        for at in self.ticks() {
            let anchor = match at {
                0.0 => "start",
                at if at >= self.length => "end",
                _ => "middle",
            };
            let _ = writeln!(
                html,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                x(at),
                HEIGHT - 8.0,
                self.time(at)
            );
        }
        if let Some(marked) = self.marked {
            let _ = writeln!(
                html,
                "<line class=\"marked\" x1=\"{0:.1}\" y1=\"{TOP}\" x2=\"{0:.1}\" y2=\"{1}\"/>",
                x(marked),
                HEIGHT - BOTTOM
            );
        }
        for (number, line) in self.lines.iter().enumerate() {
            let mut path = String::new();
            for (at, value) in &line.points {
                let _ = if path.is_empty() {
                    write!(path, "M{:.1} {:.1}", x(*at), y(*value))
                } else {
                    write!(path, "H{:.1}V{:.1}", x(*at), y(*value))
                };
            }
            let _ = writeln!(
                html,
                "<path d=\"{path}H{:.1}\" {}/>",
                x(self.length),
                stroke(number)
            );
        }
        html.push_str("</svg>\n</figure>\n");
        html
    }

    /// Where the time is marked, in minutes: round numbers of its unit, at most six and the beginning.
    fn ticks(&self) -> Vec<f64> {
        let unit = if self.tasks { 1.0 } else { unit(self.length).0 };
        let length = self.length / unit;
        // A day has no ten hours.
        let hours = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 24.0];
        let suits = |step: &f64| unit == HOUR && length / step <= 6.0;
        let step = hours.into_iter().find(suits);
        let step = step.unwrap_or_else(|| scale(length).1);
        let ticks = (0..=6_u8).map(|tick| f64::from(tick) * step);
        ticks
            .filter(|tick| *tick <= length)
            .map(|tick| tick * unit)
            .collect()
    }

    fn time(&self, minutes: f64) -> String {
        if self.tasks {
            format!("{minutes:.0}")
        } else {
            moment(minutes, self.length)
        }
    }

    fn words(&self) -> String {
        let lines: Vec<String> = self
            .lines
            .iter()
            .map(|line| {
                let most = line
                    .points
                    .iter()
                    .map(|(_, value)| *value)
                    .fold(0.0, f64::max);
                format!(
                    "{}: {:.1} on average, at most {most:.0}",
                    line.name, line.mean
                )
            })
            .collect();
        format!("{}.", lines.join("; "))
    }
}

/// A moment, in the unit that suits the whole course.
pub(super) fn moment(minutes: f64, length: f64) -> String {
    let (unit, name) = unit(length);
    let number = minutes / unit;
    if name == "day" {
        format!("{name} {number:.0}")
    } else {
        format!("{number:.0} {name}")
    }
}

const HOUR: f64 = 60.0;

/// The unit that suits a course, in minutes, and its name.
fn unit(length: f64) -> (f64, &'static str) {
    if length > 4.0 * 24.0 * HOUR {
        (24.0 * HOUR, "day")
    } else if length > 3.0 * HOUR {
        (HOUR, "h")
    } else {
        (1.0, "min")
    }
}

/// A round number not below `most`, and steps of which at most six go into it.
fn scale(most: f64) -> (f64, f64) {
    let most = most.max(1.0);
    let mut step = 1.0;
    for factor in [2.0, 2.5, 2.0].iter().cycle().take(40) {
        if most / step <= 6.0 {
            break;
        }
        step *= factor;
    }
    ((most / step).ceil() * step, step)
}

#[cfg(test)]
mod tests {
    use super::{Chart, STEPS, means, scale};

    #[test]
    fn time_is_marked_where_its_label_says() {
        let labels = |length: f64, tasks: bool| -> Vec<String> {
            let chart = Chart {
                id: "",
                title: "",
                meaning: "",
                length,
                tasks,
                marked: None,
                lines: Vec::new(),
            };
            let ticks = chart.ticks();
            ticks.iter().map(|at| chart.time(*at)).collect()
        };
        let two_days = ["0 h", "8 h", "16 h", "24 h", "32 h", "40 h", "48 h"];
        assert_eq!(labels(48.0 * 60.0, false), two_days);
        assert_eq!(labels(7.0, true), ["0", "2", "4", "6"]);
        assert_eq!(
            labels(45.0, false),
            ["0 min", "10 min", "20 min", "30 min", "40 min"]
        );
        let week = ["day 0", "day 2", "day 4", "day 6"];
        assert_eq!(labels(7.0 * 1440.0, false), week);
    }

    #[test]
    fn a_step_is_the_mean_of_its_time_and_the_whole_mean_stays() {
        let few = vec![(0.0, 1.0), (5.0, 3.0)];
        assert_eq!(means(few.clone(), 10.0), few);
        // A value that changes every minute over 720 minutes, five minutes a step.
        let many: Vec<(f64, f64)> = (0..720).map(|n| (f64::from(n), f64::from(n % 5))).collect();
        let drawn = means(many, 720.0);
        assert_eq!(drawn.len(), usize::from(STEPS));
        assert!(drawn.iter().all(|(_, mean)| (mean - 2.0).abs() < 1e-9));
        assert_eq!(drawn[1].0, 5.0);
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(scale(0.0), (1.0, 1.0));
        assert_eq!(scale(6.0), (6.0, 1.0));
        assert_eq!(scale(47.0), (50.0, 10.0));
        assert_eq!(scale(100.0), (100.0, 20.0));
        assert_eq!(scale(1234.0), (1500.0, 500.0));
    }
}
