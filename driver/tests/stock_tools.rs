//! What others' tools make of ours: a browser of the simulation's page, the stock `wasmtime` of our
//! components. Where a tool is not installed its test says so and passes; `.ci/setup` installs both.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use supercargo::wave::wave;
use supercargo_guest_build::Builder;
use supercargo_host::journal::{Line, Reply};
use tempfile::TempDir;

const POLICIES: [&str; 4] = ["first-fit", "nvlink-groups", "mig-packing", "spread-numa"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// A program on the PATH or where `.ci/setup` puts what it builds.
fn program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let tools = std::env::var_os("SUPERCARGO_TOOLS")
        .map_or_else(|| home.join(".cache/supercargo/tools"), PathBuf::from);
    let own = tools.join("bin");
    let found = std::env::split_paths(&path)
        .chain([own])
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!(
            "SKIPPED: {} is not installed; .ci/setup installs it",
            names.join(" or ")
        );
    }
    found
}

fn supercargo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_supercargo"))
        .args(arguments)
        .current_dir(root())
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_page_is_whole_in_a_real_browser_in_light_and_dark() {
    let folder = TempDir::new().unwrap();
    let page = folder.path().join("page.html");
    let built = Builder::new(root())
        .unwrap()
        .build("nvlink-groups")
        .unwrap();
    let output = supercargo(&[
        "policy",
        "simulate",
        "--cluster",
        "examples/scenes/two-days.yaml",
        "--policy",
        built.path.to_str().unwrap(),
        "--html",
        page.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let html = std::fs::read_to_string(&page).unwrap();
    for elsewhere in ["src=", "href=", "@import", "url(", "<script"] {
        assert!(
            !html.contains(elsewhere),
            "the page must need nothing else, and has {elsewhere}"
        );
    }

    let Some(browser) = program(&["chromium", "chromium-browser", "google-chrome"]) else {
        return;
    };
    let run = |more: &[&str]| {
        let profile = TempDir::new().unwrap();
        let output = Command::new(&browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--window-size=1100,2400",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(more)
            .arg(format!("file://{}", page.display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        output
    };
    let dom = text(&run(&["--dump-dom", "--enable-logging=stderr"]).stdout);
    // The browser closes and completes what is not well formed: then the counts would differ.
    for element in [
        "<figure>",
        "<svg ",
        "<path ",
        "class=\"node\"",
        "role=\"img\"",
        "<tr>",
    ] {
        assert_eq!(
            dom.matches(element).count(),
            html.matches(element).count(),
            "{element}"
        );
    }
    assert_eq!(dom.matches("<figure>").count(), 3);
    assert_eq!(
        dom.matches("class=\"node\"").count(),
        16,
        "eight nodes for each contender"
    );
    for words in [
        "What would have been",
        "Stranded devices",
        "claims within one group",
        "nvlinkGroup 1",
    ] {
        assert!(dom.contains(words), "{words}");
    }

    let mut pictures = Vec::new();
    for scheme in ["1", "0"] {
        let picture = folder.path().join(format!("{scheme}.png"));
        run(&[
            &format!("--screenshot={}", picture.display()),
            &format!("--blink-settings=preferredColorScheme={scheme}"),
        ]);
        let bytes = std::fs::read(&picture).unwrap();
        assert!(
            bytes.starts_with(b"\x89PNG") && bytes.len() > 40_000,
            "an empty page has a small picture"
        );
        pictures.push(bytes);
    }
    assert_ne!(pictures[0], pictures[1], "light and dark look different");
}

#[test]
fn the_stock_wasmtime_answers_what_the_host_answers() {
    let Some(wasmtime) = program(&["wasmtime"]) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let path = std::env::join_paths([wasmtime.parent().unwrap().to_owned()].into_iter().chain(
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()),
    ))
    .unwrap();
    let mut compared = 0;
    for built in Builder::new(root()).unwrap().build_all(&POLICIES).unwrap() {
        let component = built.path.to_str().unwrap();
        let described = Command::new(&wasmtime)
            .args(["run", "--invoke", "describe()", component])
            .output()
            .unwrap();
        let described = text(&described.stdout);
        assert!(
            described.starts_with(&format!(
                "{{name: \"{}\", version: \"0.1.0\"",
                built.package
            )),
            "{described}"
        );
        assert!(described.contains("hooks: {select}"), "{described}");

        // What the host answered is in a journal.
        let policy = format!("examples/policies/{}", built.package);
        let journal = folder.path().join(&built.package);
        let recorded = supercargo(&[
            "policy",
            "record",
            &policy,
            "--policy",
            component,
            "--journal",
            journal.to_str().unwrap(),
        ]);
        assert_eq!(
            recorded.status.code(),
            Some(0),
            "{}",
            text(&recorded.stderr)
        );
        for line in std::fs::read_to_string(&journal).unwrap().lines() {
            let Line::Decision(decision) = Line::parse(line).unwrap() else {
                panic!("{line}")
            };
            let case = decision.subject.claim.strip_prefix("fixture/").unwrap();
            let expected = match &decision.answer {
                Reply::Proposals(proposals) => format!("ok({})", wave(proposals).unwrap()),
                Reply::Refused(reason) => format!("err({{reason: {}}})", wave(reason).unwrap()),
                other => panic!("{case}: {other:?}"),
            };
            let command = supercargo(&[
                "policy",
                "test",
                &policy,
                "--policy",
                component,
                "--emit-wave",
                case,
            ]);
            let command = text(&command.stdout);
            assert!(
                command.starts_with("wasmtime run --invoke 'select("),
                "{command}"
            );
            let answered = Command::new("sh")
                .args(["-c", &command])
                .env("PATH", &path)
                .output()
                .unwrap();
            assert_eq!(
                text(&answered.stdout).trim(),
                expected,
                "{case} of {}: {}",
                built.package,
                text(&answered.stderr)
            );
            compared += 1;
        }
    }
    assert!(compared >= 15, "only {compared} fixtures were compared");
}
