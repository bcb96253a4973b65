//! `supercargo node` as an operator meets it before there is a cluster: every mistake with its cure, and
//! a process that can be asked how it is and told to end. Its work is tested on a real cluster
//! (`tests/cluster`).

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::snapshot;

/// A folder with all that a node driver needs but a cluster.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("registry")).unwrap();
        // Nobody listens there.
        let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
            clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n\
            contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n";
        fs::write(place.path("kubeconfig"), kubeconfig).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The command with these flags, and good ones where they say nothing.
    fn node(&self, more: &[&str]) -> Command {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/topologies");
        let good = [
            ("--node-name", PathBuf::from("worker-1")),
            ("--address", PathBuf::from("127.0.0.1:0")),
            ("--topology", examples.join("h100-nvlink.yaml")),
            ("--data-dir", self.path("data")),
            ("--registry-dir", self.path("registry")),
            ("--cdi-root", self.path("cdi")),
            ("--kubeconfig", self.path("kubeconfig")),
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_supercargo"));
        command.arg("node");
        for (flag, value) in good {
            if !more
                .iter()
                .any(|other| other.split('=').next() == Some(flag))
            {
                command.arg(flag).arg(value);
            }
        }
        command
            .args(more)
            .env_clear()
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// How the command ended and what it said, without log lines.
    fn told(&self, more: &[&str]) -> String {
        let mut child = self.node(more).spawn().unwrap();
        if ended(&mut child).is_none() {
            let _ = child.kill();
            panic!("{more:?} is taken for good: {:?}", child.wait_with_output());
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.stdout.is_empty());
        let errors = String::from_utf8(output.stderr).unwrap();
        let errors = errors.replace(self.0.path().to_str().unwrap(), "(folder)");
        let said: Vec<&str> = errors.lines().filter(|line| !is_log(line)).collect();
        format!(
            "exit {}\n{}",
            output.status.code().unwrap(),
            said.join("\n")
        )
    }
}

/// How a process ended; `None`: it does not end.
fn ended(child: &mut Child) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn is_log(line: &str) -> bool {
    line.starts_with("20") && line.contains("Z ")
}

#[test]
fn every_mistake_has_its_cure() {
    let place = Place::new();
    let config = "apiVersion: supercargo.dev/v1alpha1\nkind: Configuration\npolices: []\n";
    fs::write(place.path("typo.yaml"), config).unwrap();
    fs::write(place.path("topology.yaml"), "kind: Topology\n").unwrap();
    fs::write(place.path("broken"), "clusters: 7").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let address = format!("127.0.0.1:{port}");
    let cases: [&[&str]; 14] = [
        &["--node-name="],
        &["--node-name=Worker_1"],
        &["--driver=gpu/nvidia"],
        &["--data-dir=here"],
        &["--host-root=missing"],
        &["--topology=missing.yaml"],
        &["--topology=topology.yaml"],
        &["--config=missing.yaml"],
        &["--config=typo.yaml"],
        &["--kubeconfig=broken"],
        &["--log=louder"],
        &["--otlp-endpoint=collector port 4317"],
        &["--address=8080"],
        &["--address", &address],
    ];
    let told: Vec<String> = cases
        .iter()
        .map(|case| {
            format!(
                "$ supercargo node {}\n{}\n",
                case.join(" "),
                place.told(case)
            )
        })
        .collect();
    snapshot("node-mistakes", &told.join("\n").replace(&port, "(taken)"));
}

#[test]
fn without_a_kubeconfig_it_must_run_in_a_cluster() {
    let place = Place::new();
    let output = Command::new(env!("CARGO_BIN_EXE_supercargo"))
        .args(["node", "--node-name=w", "--topology=t.yaml"])
        .env_clear()
        .current_dir(place.0.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("give --kubeconfig FILE"), "{errors}");
}

/// A process that is ended with the test.
struct Running {
    child: Child,
    address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(place: &Place) -> Self {
        let mut child = place.node(&["--log-format=json"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            Some(line["address"].as_str()?.to_owned())
        });
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.expect("it told no address");
        Self { child, address }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn a_node_driver_without_a_cluster_lives_says_what_it_waits_for_and_ends_when_told() {
    let place = Place::new();
    let mut running = Running::start(&place);
    let alive = running.get("/livez");
    assert!(alive.starts_with("HTTP/1.1 200 OK"), "{alive}");

    let ready = running.get("/readyz");
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(
        ready.ends_with(
            "[+] policies read\n[-] slices published\n[-] registered with the kubelet\n\
             [+] not shutting down\n"
        ),
        "{ready}"
    );
    let metrics = running.get("/metrics");
    assert!(
        metrics.contains("supercargo_build_info{version="),
        "{metrics}"
    );
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(running.get("/other").starts_with("HTTP/1.1 404"));
    let registry = fs::read_dir(place.path("registry")).unwrap();
    assert_eq!(registry.count(), 1, "the kubelet finds a socket");

    let pid = rustix::process::Pid::from_child(&running.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = ended(&mut running.child).expect("it does not end");
    assert_eq!(status.code(), Some(0));
    let registry = fs::read_dir(place.path("registry")).unwrap();
    assert_eq!(registry.count(), 0, "it leaves no socket");
}
