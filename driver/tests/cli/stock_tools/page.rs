//! The simulation's page in a real browser: whole, quiet, and with the numbers that the program tells.

use super::*;

/// How far a drawn line may be off, as a share of its axis: coordinates have one decimal.
const ROUNDED: f64 = 0.002;

#[test]
fn the_page_draws_the_numbers_that_are_told_in_light_and_dark() {
    let folder = TempDir::new().unwrap();
    let page = folder.path().join("page.html");
    let output = supercargo(&[
        "policy",
        "simulate",
        "--cluster",
        "examples/scenes/two-days.yaml",
        "--policy",
        &component("nvlink-groups"),
        "--html",
        page.to_str().unwrap(),
        "-o",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = json(&output);
    let html = std::fs::read_to_string(&page).unwrap();
    for elsewhere in ["src=", "href=", "@import", "url(", "<script", "http"] {
        let mut found = html.match_indices(elsewhere);
        let found = found.find(|(at, _)| !html[*at..].starts_with("http-equiv"));
        assert!(
            found.is_none(),
            "the page must need nothing else, and has {elsewhere}"
        );
    }

    let Some(browser) = installed(&["chromium", "chromium-browser", "google-chrome"]) else {
        return;
    };
    let run = |more: &[&str]| {
        let profile = TempDir::new().unwrap();
        let output = Command::new(&browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--hide-scrollbars", "--window-size=1100,2400"])
            .args(["--enable-logging=stderr", "--v=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(more)
            .arg(format!("file://{}", page.display()))
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        let complaints: Vec<&str> = said.lines().filter(|l| l.contains("CONSOLE")).collect();
        assert!(complaints.is_empty(), "the console has {complaints:?}");
        output
    };
    let dom = text(&run(&["--dump-dom"]).stdout);
    // The browser closes and completes what is not well formed: then the counts would differ.
    for element in ["<figure>", "<svg ", "<path ", "class=\"node\"", "<tr>"] {
        assert_eq!(
            dom.matches(element).count(),
            html.matches(element).count(),
            "{element}"
        );
    }
    let contenders = told["contenders"].as_array().unwrap();
    results(&dom, contenders);
    charts(&dom, contenders);
    topology(&dom, contenders);

    let pictures = ["1", "0"].map(|scheme| {
        let picture = folder.path().join(format!("{scheme}.png"));
        run(&[
            &format!("--screenshot={}", picture.display()),
            &format!("--blink-settings=preferredColorScheme={scheme}"),
        ]);
        std::fs::read(&picture).unwrap()
    });
    for picture in &pictures {
        assert!(
            picture.starts_with(b"\x89PNG") && picture.len() > 40_000,
            "an empty page has a small picture"
        );
    }
    assert_ne!(pictures[0], pictures[1], "light and dark look different");
}

fn number(value: &Value, field: &str) -> f64 {
    value[field]
        .as_f64()
        .unwrap_or_else(|| panic!("{field}: {value}"))
}

/// What stands between two words, each time.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> Vec<&'t str> {
    let parts = text.split(begin).skip(1);
    parts
        .map(|part| part.split_once(end).expect(end).0)
        .collect()
}

/// The table has the numbers, and says which is best.
fn results(dom: &str, contenders: &[Value]) {
    let table = between(dom, "<tbody>", "</tbody>")[0];
    for contender in contenders {
        let arrived = number(contender, "arrived");
        for shown in [
            format!("{} of {arrived}", number(contender, "placed")),
            format!("{:.1} min", number(contender, "waitedMinutes") / arrived),
            format!(
                "{} of {}",
                number(contender, "claimsWithinOneGroup"),
                number(contender, "claimsForSeveral")
            ),
        ] {
            assert!(table.contains(&shown), "{shown}: {table}");
        }
    }
    let best = format!("{:.1} min", number(&contenders[1], "waitedMinutes") / 313.0);
    assert!(
        table.contains(&format!("<strong>{best}</strong>")),
        "{table}"
    );
    assert!(dom.contains("nvlink-groups is best by all 5 measures by which they differ."));
}

/// Each line of each chart goes where the samples go, step by step.
fn charts(dom: &str, contenders: &[Value]) {
    let figures = between(dom, "<figure>", "</figure>");
    assert_eq!(figures.len(), 3);
    for (figure, (field, factor)) in figures.into_iter().zip([
        ("waiting", 1.0),
        ("stranded", 1.0),
        ("fragmentation", 100.0),
    ]) {
        // The axis: where which value is.
        let marks: Vec<(f64, f64)> = between(figure, "class=\"grid\"", "</text>")
            .into_iter()
            .map(|mark| {
                let y = between(mark, "y1=\"", "\"")[0].parse().unwrap();
                (y, mark.rsplit('>').next().unwrap().parse().unwrap())
            })
            .collect();
        let (zero, top) = (marks[0], marks[marks.len() - 1]);
        assert_eq!(zero.1, 0.0);
        let value = |y: f64| (zero.0 - y) / (zero.0 - top.0) * top.1;
        let paths = between(figure, "<path d=\"", "\"");
        assert_eq!(paths.len(), contenders.len());
        for (path, contender) in paths.into_iter().zip(contenders) {
            let drawn: Vec<f64> = path
                .split(['M', 'V'])
                .skip(1)
                .map(|part| {
                    let y = part.split('H').next().unwrap();
                    value(y.split(' ').next_back().unwrap().parse().unwrap())
                })
                .collect();
            assert_eq!(drawn.len(), 144);
            let width = 48.0 * 60.0 / 144.0;
            for (step, drawn) in drawn.into_iter().enumerate() {
                let from = width * step as f64;
                let expected = mean(contender, field, from, from + width) * factor;
                assert!(
                    (drawn - expected).abs() <= top.1 * ROUNDED,
                    "{field} of {}, step {step}: {drawn} is drawn, {expected} is told",
                    contender["name"]
                );
            }
        }
    }
}

/// The mean of what the samples say between two moments.
fn mean(contender: &Value, field: &str, from: f64, to: f64) -> f64 {
    let samples = contender["samples"].as_array().unwrap();
    let mut sum = 0.0;
    for (at, sample) in samples.iter().enumerate() {
        let begin = number(sample, "minute").max(from);
        let end = samples
            .get(at + 1)
            .map_or(to, |next| number(next, "minute"));
        sum += (end.min(to) - begin).max(0.0) * number(sample, field);
    }
    sum / (to - from)
}

/// As many devices are drawn in use, stranded and free as the samples of that moment say.
fn topology(dom: &str, contenders: &[Value]) {
    let samples = |contender: &Value| contender["samples"].as_array().unwrap().clone();
    let worst = samples(&contenders[0])
        .into_iter()
        .max_by_key(|sample| (sample["waiting"].as_u64(), sample["stranded"].as_u64()))
        .unwrap();
    let moment = number(&worst, "minute");
    let (_, drawn) = dom.split_once("<h2>Who has what</h2>").unwrap();
    let drawn: Vec<&str> = drawn.split("<h3>").skip(1).collect();
    assert_eq!(drawn.len(), contenders.len());
    for (drawn, contender) in drawn.into_iter().zip(contenders) {
        assert_eq!(drawn.matches("class=\"node\"").count(), 8);
        let devices = between(drawn, "<span class=\"", "\"");
        let count =
            |class: &str| devices.iter().filter(|own| own.starts_with(class)).count() as f64;
        let sample = samples(contender)
            .into_iter()
            .find(|sample| number(sample, "minute") >= moment)
            .unwrap();
        assert_eq!(count("w"), number(&sample, "used"));
        assert_eq!(count("stranded"), number(&sample, "stranded"));
        assert_eq!(
            count("stranded") + count("free"),
            number(&sample, "free"),
            "{}",
            contender["name"]
        );
    }
}
