//! Policies of the node driver from real files, watched as on a node: every change is made while the
//! watch runs, and what it tells is waited for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use supercargo::manifests::Manifests;
use supercargo::policies::BUDGET;
use supercargo::serving::{Asked, Change, Origin, Policies, watch};
use supercargo_guest_build::Builder;
use supercargo_host::allocator::{Allocator, Features};
use supercargo_host::policy::{Digest, Engine, EngineOptions};
use supercargo_host::scheduling::{Options, schedule};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The bytes of an example policy; all are built once.
fn wasm(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<Vec<(String, PathBuf)>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let builder = Builder::new(root.canonicalize().unwrap()).unwrap();
        let built = builder
            .build_all(&["first-fit", "nvlink-groups", "spread-numa"])
            .unwrap();
        built
            .into_iter()
            .map(|built| (built.package, built.path))
            .collect()
    });
    let (_, path) = built.iter().find(|(package, _)| package == name).unwrap();
    fs::read(path).unwrap()
}

/// Puts a file in its place as it should be done: whole, by a rename.
fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    let beside = path.with_extension("part");
    fs::write(&beside, bytes).unwrap();
    fs::rename(beside, path).unwrap();
}

fn configuration(policies: &str, rules: &str) -> String {
    format!(
        "apiVersion: supercargo.dev/v1alpha1\nkind: Configuration\npolicies: {policies}\nrules: {rules}\n"
    )
}

/// Policies that are watched, and what the watch told.
struct Watched {
    policies: Arc<Policies>,
    told: mpsc::UnboundedReceiver<Change>,
}

impl Watched {
    fn start(origin: Origin) -> Self {
        let options = EngineOptions {
            concurrency: 1,
            ..EngineOptions::default()
        };
        let engine = Engine::new(options).unwrap();
        let policies = Arc::new(Policies::new("gpu.nvidia.com", engine, origin).unwrap());
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(watch(Arc::clone(&policies), move |changes: &[Change]| {
            for change in changes {
                let _ = tell.send(change.clone());
            }
        }));
        Self { policies, told }
    }

    /// The next change that is told; well before everything is looked at without a reason.
    async fn next(&mut self) -> Change {
        timeout(Duration::from_secs(20), self.told.recv())
            .await
            .expect("nothing was told")
            .unwrap()
    }

    fn serves(&self, name: &str) -> Option<Digest> {
        let serving = self.policies.named(name)?;
        Some(*serving.policy.digest())
    }
}

fn asked(class: &str) -> Asked<'_> {
    Asked {
        class,
        namespace: "default",
        labels: None,
    }
}

fn reason(change: Change) -> String {
    match change {
        Change::Refused { reason, .. } | Change::ConfigurationRefused { reason } => reason,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_dropped_component_serves_and_a_broken_one_leaves_the_last_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = Watched::start(Origin {
        configuration: None,
        folder: Some(folder.path().to_owned()),
    });
    let file = folder.path().join("gpu.wasm");

    put(&file, wasm("nvlink-groups"));
    let first = Digest::of(&wasm("nvlink-groups"));
    let serves = |digest| Change::Serves {
        policy: "gpu".to_owned(),
        digest,
    };
    assert_eq!(watched.next().await, serves(first));
    assert_eq!(watched.serves("gpu"), Some(first));
    let under_way = watched.policies.named("gpu").unwrap();

    put(&file, "not wasm");
    let change = watched.next().await;
    let Change::Refused { last_good, .. } = &change else {
        panic!("{change}")
    };
    assert_eq!(*last_good, Some(first));
    assert!(reason(change).contains("gpu.wasm: "));
    assert_eq!(watched.serves("gpu"), Some(first));
    let conditions = watched.policies.conditions();
    assert!(conditions[0].status.refused.is_some());

    let second = Digest::of(&wasm("spread-numa"));
    put(&file, wasm("spread-numa"));
    assert_eq!(watched.next().await, serves(second));
    assert_eq!(watched.serves("gpu"), Some(second));
    assert_eq!(
        *under_way.policy.digest(),
        first,
        "what is under way finishes on the version it began with"
    );

    fs::remove_file(&file).unwrap();
    let gone = Change::Removed {
        policy: "gpu".to_owned(),
    };
    assert_eq!(watched.next().await, gone);
    assert_eq!(watched.serves("gpu"), None);
}

#[tokio::test]
async fn a_config_map_that_is_swapped_is_read_again_and_a_wrong_one_is_not_taken() {
    // As the kubelet lays a ConfigMap out: the file is a link into `..data`, which is a link to a
    // folder, and an update swaps `..data`.
    let volume = tempfile::tempdir().unwrap();
    let components = tempfile::tempdir().unwrap();
    let version = |name: &str, text: &str| {
        let folder = volume.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("config.yaml"), text).unwrap();
        let link = volume.path().join("..data_tmp");
        symlink(name, &link).unwrap();
        fs::rename(link, volume.path().join("..data")).unwrap();
    };
    version("..1", &configuration("[]", "[]"));
    symlink("..data/config.yaml", volume.path().join("config.yaml")).unwrap();
    fs::write(components.path().join("n.wasm"), wasm("nvlink-groups")).unwrap();

    let mut watched = Watched::start(Origin {
        configuration: Some(volume.path().join("config.yaml")),
        folder: Some(components.path().to_owned()),
    });
    // Not in the configuration: a policy of its own.
    let digest = Digest::of(&wasm("nvlink-groups"));
    let serves = |policy: &str| Change::Serves {
        policy: policy.to_owned(),
        digest,
    };
    assert_eq!(watched.next().await, serves("n"));

    let good = "[{name: nvlink, wasm: n.wasm, settings: {split: refuse}}]";
    version("..2", &configuration(good, "[{policy: nvlink}]"));
    assert_eq!(watched.next().await, Change::Configured);
    assert_eq!(watched.next().await, serves("nvlink"));
    let gone = Change::Removed {
        policy: "n".to_owned(),
    };
    assert_eq!(watched.next().await, gone);

    let typo = "[{name: nvlink, wasm: n.wasm, setings: {}}]";
    version("..3", &configuration(typo, "[{policy: nvlink}]"));
    let told = reason(watched.next().await);
    assert!(told.contains("config.yaml:3"), "{told}");
    assert!(told.contains("setings"), "{told}");
    let serving = watched.policies.named("nvlink").unwrap();
    assert_eq!(serving.policy.settings(), r#"{"split":"refuse"}"#);

    version("..4", &configuration(good, "[{policy: nvlink}]"));
    assert_eq!(watched.next().await, Change::Configured, "it is mended");

    let wrong = "[{name: nvlink, wasm: n.wasm, settings: {split: maybe}}]";
    version("..5", &configuration(wrong, "[{policy: nvlink}]"));
    assert_eq!(watched.next().await, Change::Configured);
    let told = reason(watched.next().await);
    assert!(told.contains("split"), "{told}");
    let serving = watched.policies.named("nvlink").unwrap();
    assert_eq!(serving.policy.settings(), r#"{"split":"refuse"}"#);
}

#[tokio::test]
async fn a_rule_for_a_policy_without_any_good_version_holds_claims_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let policies = "[{name: absent, wasm: absent.wasm}, {name: placing, wasm: placing.wasm}]";
    let rules = "[{policy: absent, deviceClasses: [gpu]}, {policy: placing}]";
    fs::write(&file, configuration(policies, rules)).unwrap();
    fs::write(folder.path().join("placing.wasm"), wasm("nvlink-groups")).unwrap();
    let mut watched = Watched::start(Origin {
        configuration: Some(file),
        folder: None,
    });
    assert!(reason(watched.next().await).contains("absent.wasm: no such file"));
    assert!(matches!(watched.next().await, Change::Serves { .. }));

    let error = watched.policies.configuring(asked("gpu")).unwrap_err();
    assert_eq!(error.policy, "absent");
    assert!(error.to_string().contains("absent.wasm: no such file"));
    // A policy that only places has no say in how a device is configured.
    let configuring = watched.policies.configuring(asked("other")).unwrap();
    assert!(configuring.is_none());

    put(&folder.path().join("absent.wasm"), wasm("first-fit"));
    assert!(matches!(watched.next().await, Change::Serves { .. }));
    assert!(watched.policies.configuring(asked("gpu")).is_ok());
}

#[tokio::test]
async fn a_file_whose_name_cannot_be_a_policys_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Not_A_Name.wasm"), "x").unwrap();
    fs::write(folder.path().join(".unfinished.wasm"), "x").unwrap();
    let mut watched = Watched::start(Origin {
        configuration: None,
        folder: Some(folder.path().to_owned()),
    });
    assert!(reason(watched.next().await).contains("Not_A_Name.wasm: the file's name"));
    put(&folder.path().join("good.wasm"), wasm("first-fit"));
    assert!(matches!(watched.next().await, Change::Serves { .. }));
}

#[test]
fn a_journal_of_placements_holds_what_it_takes_to_replay_them() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("gpu.wasm"), wasm("nvlink-groups")).unwrap();
    let origin = Origin {
        configuration: None,
        folder: Some(folder.path().to_owned()),
    };
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let journal = folder.path().join("journal");
    let policies = Policies::new("", engine, origin).unwrap();
    let policies = policies.recorded_in(Some(&journal)).unwrap();
    policies.refresh();

    let scene = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/scenes/nvlink.yaml");
    let manifests = Manifests::read(&[scene]).unwrap();
    let classes = manifests.classes();
    let allocator = Arc::new(Allocator::new(Features::ALL, manifests.slices(), &classes));
    let options = Options {
        budget: BUDGET,
        explain_all: false,
    };
    let placement = policies.placement(allocator);
    schedule(
        manifests.input(None).unwrap(),
        &placement,
        options,
        &mut |_| (),
    );

    let mut replay = Command::new(env!("CARGO_BIN_EXE_supercargo"));
    let replayed = replay.args(["policy", "replay"]).arg(&journal);
    let replayed = replayed.output().unwrap();
    assert!(replayed.status.success(), "{replayed:?}");
    let told = String::from_utf8_lossy(&replayed.stdout);
    assert!(told.contains(" same, 0 differ"), "{told}");
}
