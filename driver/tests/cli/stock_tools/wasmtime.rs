//! The stock `wasmtime` command line on every example, against the host.

use std::collections::BTreeMap;

use supercargo::wave::wave;
use supercargo_host::journal::{Line, Reply};

use super::*;

/// What `wasmtime run --invoke` prints for an answer.
fn printed(answer: &Reply) -> String {
    let ok = |answer: Result<String, supercargo::wave::NoWave>| format!("ok({})", answer.unwrap());
    match answer {
        Reply::Proposals(proposals) => ok(wave(proposals)),
        Reply::NodeSets(sets) => ok(wave(sets)),
        // `validate` has no way to fail.
        Reply::Violations(violations) => wave(violations).unwrap(),
        Reply::Plan(plan) => ok(wave(plan)),
        Reply::Announcement(announcement) => ok(wave(announcement)),
        Reply::Changes(changes) => ok(wave(changes)),
        Reply::Refused(reason) => format!("err({{reason: {}}})", wave(reason).unwrap()),
        Reply::Failed(failure) => panic!("{failure:?}"),
    }
}

#[test]
fn the_stock_wasmtime_answers_what_the_host_answers() {
    let Some(wasmtime) = installed(&["wasmtime"]) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let path = std::env::join_paths([wasmtime.parent().unwrap().to_owned()].into_iter().chain(
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()),
    ))
    .unwrap();
    let mut asked = BTreeMap::<&str, usize>::new();
    for example in &examples() {
        let name = example.rsplit('/').next().unwrap();
        let component = &component(name);
        let described = Command::new(&wasmtime)
            .args(["run", "--invoke", "describe()", component])
            .output()
            .unwrap();
        let described = text(&described.stdout);
        let begins = format!("{{name: \"{name}\", version: \"0.1.0\"");
        assert!(described.starts_with(&begins), "{described}");

        // What the host answered is in a journal.
        let journal = folder.path().join(name);
        let mut record = vec!["policy", "record", example, "--policy", component];
        record.extend(["--journal", journal.to_str().unwrap()]);
        let recorded = supercargo(&record);
        assert!(recorded.status.success(), "{}", text(&recorded.stderr));
        let mut compared = Vec::new();
        for line in std::fs::read_to_string(&journal).unwrap().lines() {
            let Line::Decision(decision) = Line::parse(line).unwrap() else {
                panic!("{line}")
            };
            let hook = decision.question.hook().name();
            assert!(
                described.contains("hooks: {") && described.contains(hook),
                "{described}"
            );
            let case = decision.subject.claim.strip_prefix("fixture/").unwrap();
            // The first question of a fixture is what `--emit-wave` asks; later claims ask others.
            if compared.contains(&case.to_owned()) {
                continue;
            }
            let mut emit = vec!["policy", "test", example, "--policy", component];
            emit.extend(["--emit-wave", case]);
            let command = text(&supercargo(&emit).stdout);
            let begins = format!("wasmtime run --invoke '{hook}(");
            assert!(command.starts_with(&begins), "{command}");
            let answered = Command::new("sh")
                .args(["-c", &command])
                .env("PATH", &path)
                .output()
                .unwrap();
            assert_eq!(
                text(&answered.stdout).trim(),
                printed(&decision.answer),
                "{case} of {example}: {}",
                text(&answered.stderr)
            );
            compared.push(case.to_owned());
            *asked.entry(hook).or_default() += 1;
        }
        assert!(!compared.is_empty(), "{example} has no fixture");
    }
    let hooks: Vec<&str> = asked.keys().copied().collect();
    assert_eq!(
        hooks,
        [
            "assess",
            "prepare",
            "publish",
            "select",
            "unprepare",
            "validate"
        ]
    );
    assert!(asked.values().sum::<usize>() >= 30, "{asked:?}");
}
