//! `kill -9` at every place, without exception: whatever process takes over and is asked the same again
//! ends where an undisturbed one does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use serde_json::json;
use supercargo::node::claims::fault::FaultPoint;

use super::node::{Act, Claim, Node};

/// More often than any place is passed.
const MOST_TIMES: usize = 64;

/// How a scenario begins, in a new node, and what is then done with a fault in the way.
type Arrange = fn(&Node) -> Act;

/// What can be going on when a process is killed.
const SCENARIOS: [(&str, Arrange); 11] = [
    ("a claim is prepared with steps", prepared_with_steps),
    ("a claim is prepared without a policy", prepared_plainly),
    ("a partition is made by a policy", partition_made),
    ("a partition is removed", partition_removed),
    ("a step fails and all is taken back", step_fails),
    (
        "a claim is unprepared with steps of its policy",
        unprepared_with_steps,
    ),
    ("a missing CDI file is made again", healed),
    (
        "a half prepared claim is found after a crash",
        found_half_prepared,
    ),
    ("a damaged checkpoint is found", found_damaged),
    ("files of nobody are found", found_strays),
    ("a claim of an earlier boot is found", found_after_a_boot),
];

fn gpu(name: &str) -> Claim {
    Claim::of(name, &["gpu-0"])
}

fn with_steps(node: &Node) -> Claim {
    let claim = gpu("a");
    node.has(&claim);
    node.foreman(json!({
        "prepare": [{"longTurns": true}, {"exclusive": true}, {"start": "mps"}],
        "unprepare": [{"stop": "mps"}, {"exclusive": false}],
    }));
    claim
}

fn prepared_with_steps(node: &Node) -> Act {
    Act::Prepare(with_steps(node).named())
}

fn prepared_plainly(node: &Node) -> Act {
    node.has(&gpu("a"));
    Act::Prepare(gpu("a").named())
}

fn partition(node: &Node) -> Claim {
    let claim = Claim::of("a", &["gpu-0-mig-1g10gb-19-0", "gpu-1-mig-3g40gb-9-4"]);
    node.has(&claim);
    let grants = json!([{"setMigMode": [true], "createGpuInstance": ["*"],
        "createComputeInstance": ["*"]}]);
    node.policies(
        json!([{"name": "mig-partitions", "grants": grants}]),
        json!([{"policy": "mig-partitions"}]),
    );
    claim
}

fn partition_made(node: &Node) -> Act {
    Act::Prepare(partition(node).named())
}

fn partition_removed(node: &Node) -> Act {
    let claim = partition(node).named();
    node.child(&Act::Prepare(claim.clone()), None).unwrap();
    Act::Unprepare(claim)
}

fn step_fails(node: &Node) -> Act {
    // A partition on the same GPU keeps partitioning from being turned off, which the third step wants.
    // No claim is known to have it.
    let other = Claim::of("other", &["gpu-0-mig-1g10gb-19-0"]);
    node.has(&other);
    node.child(&Act::Prepare(other.named()), None).unwrap();
    fs::remove_file(node.folder.join("data/claims").join(&other.uid)).unwrap();
    fs::remove_file(node.folder.join(cdi_file(&other))).unwrap();
    node.has(&gpu("a"));
    node.foreman(json!({
        "prepare": [{"longTurns": true}, {"exclusive": true}, {"migMode": false}],
    }));
    Act::Prepare(gpu("a").named())
}

fn unprepared_with_steps(node: &Node) -> Act {
    let claim = with_steps(node).named();
    node.child(&Act::Prepare(claim.clone()), None).unwrap();
    Act::Unprepare(claim)
}

fn healed(node: &Node) -> Act {
    let claim = with_steps(node);
    node.child(&Act::Prepare(claim.named()), None).unwrap();
    fs::remove_file(node.folder.join(cdi_file(&claim))).unwrap();
    Act::Prepare(claim.named())
}

fn found_half_prepared(node: &Node) -> Act {
    let act = prepared_with_steps(node);
    assert_eq!(node.child(&act, Some("exposed")), None);
    Act::Start("boot-1")
}

fn found_damaged(node: &Node) -> Act {
    let claim = with_steps(node);
    node.child(&Act::Prepare(claim.named()), None).unwrap();
    let file = node.folder.join("data/claims").join(&claim.uid);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    Act::Start("boot-1")
}

fn found_strays(node: &Node) -> Act {
    let claim = with_steps(node);
    node.child(&Act::Prepare(claim.named()), None).unwrap();
    let stray = Claim::of("stray", &["gpu-1"]);
    fs::write(node.folder.join(cdi_file(&stray)), "{}").unwrap();
    let unfinished = format!("cdi/.k8s.gpu.nvidia.com-claim_{}.json.new", stray.uid);
    fs::write(node.folder.join(unfinished), "{").unwrap();
    fs::write(node.folder.join("data/claims/README"), "what is this?").unwrap();
    Act::Start("boot-1")
}

fn found_after_a_boot(node: &Node) -> Act {
    let claim = with_steps(node);
    node.child(&Act::Prepare(claim.named()), None).unwrap();
    Act::Start("boot-2")
}

fn cdi_file(claim: &Claim) -> String {
    format!("cdi/k8s.gpu.nvidia.com-claim_{}.json", claim.uid)
}

#[test]
fn wherever_the_process_is_killed_the_end_is_the_same() {
    let walked: Vec<(&str, BTreeSet<&str>, usize)> = thread::scope(|scope| {
        let walks = SCENARIOS.map(|(name, arrange)| {
            scope.spawn(move || {
                let mut reached = BTreeSet::new();
                let killed = walk(name, arrange, &mut reached);
                (name, reached, killed)
            })
        });
        let walked = walks.map(|walk| walk.join().unwrap_or_else(|panic| resume_unwind(panic)));
        walked.into()
    });
    for (name, _, killed) in &walked {
        eprintln!("{killed} kills while {name}");
    }
    let reached: BTreeSet<&str> = walked.into_iter().flat_map(|(_, all, _)| all).collect();
    let names = FaultPoint::ALL.iter().map(|point| point.name());
    let missed: Vec<&str> = names.filter(|name| !reached.contains(name)).collect();
    assert_eq!(missed, [""; 0], "no scenario passes these places");
}

/// Walks through all places of one scenario. How often a process was killed.
fn walk(name: &str, arrange: Arrange, reached: &mut BTreeSet<&'static str>) -> usize {
    let base = tempfile::tempdir().unwrap();
    let (begin, folder) = (base.path().join("begin"), base.path().join("node"));
    fs::create_dir(&folder).unwrap();
    let node = Node::new(&folder);
    let act = arrange(&node);
    copy(&folder, &begin);
    let anew = || {
        fs::remove_dir_all(&folder).unwrap();
        copy(&begin, &folder);
    };
    let answer = node.child(&act, None).unwrap();
    let end = node.state();

    let mut killed = 0;
    for point in FaultPoint::ALL.iter().copied() {
        for time in 1..=MOST_TIMES {
            let fault = format!("{}#{time}", point.name());
            anew();
            let survived = node.child(&act, Some(&fault));
            let done = survived.is_some();
            let again = survived.unwrap_or_else(|| {
                reached.insert(point.name());
                killed += 1;
                node.child(&act, None).unwrap()
            });
            assert_eq!(again, answer, "{name}: killed at {fault}");
            similar(&node.state(), &end, &format!("{name}: killed at {fault}"));
            if done {
                break;
            }
            assert!(time < MOST_TIMES, "{name}: {fault} goes on and on");
        }
    }
    assert!(killed > 0, "{name}: no place was passed");
    killed
}

/// Compares file by file, for a message that can be read.
fn similar(found: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>, when: &str) {
    for (file, content) in wanted {
        assert_eq!(found.get(file), Some(content), "{when}: {file}");
    }
    for file in found.keys() {
        assert!(wanted.contains_key(file), "{when}: {file} is left over");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
