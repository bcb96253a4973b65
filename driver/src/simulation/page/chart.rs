//! A chart of something over time, one line a contender.

use std::fmt::Write as _;

use super::escape;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 210.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 30.0;
/// The most points that a line is drawn with: more than there are pixels says nothing.
const POINTS: usize = 1_400;
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
    pub(super) steps: bool,
    pub(super) lines: Vec<Line>,
}

/// One contender's line.
pub(super) struct Line {
    pub(super) name: String,
    /// Minutes and value; the value holds until the next point.
    pub(super) points: Vec<(f64, f64)>,
    pub(super) mean: f64,
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
        for tick in 0..=6_u8 {
            let at = self.length * f64::from(tick) / 6.0;
            let anchor = match tick {
                0 => "start",
                6 => "end",
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
        for (number, line) in self.lines.iter().enumerate() {
            let every = line.points.len().div_ceil(POINTS).max(1);
            let mut path = String::new();
            for (nth, (at, value)) in line.points.iter().enumerate() {
                if nth % every != 0 && nth + 1 != line.points.len() {
                    continue;
                }
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

    fn time(&self, minutes: f64) -> String {
        if self.steps {
            return format!("{minutes:.0}");
        }
        if self.length > 4.0 * 1440.0 {
            format!("day {:.0}", minutes / 1440.0)
        } else if self.length > 180.0 {
            format!("{:.0} h", minutes / 60.0)
        } else {
            format!("{minutes:.0} min")
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
    use super::scale;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(scale(0.0), (1.0, 1.0));
        assert_eq!(scale(6.0), (6.0, 1.0));
        assert_eq!(scale(47.0), (50.0, 10.0));
        assert_eq!(scale(100.0), (100.0, 20.0));
        assert_eq!(scale(1234.0), (1400.0, 200.0));
    }
}
