//! The one image that pods of tests run: busybox, packed here, for nothing can be pulled.

use std::fs::{self, File};
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::error::{ClusterError, at};

/// Where Debian's `busybox-static` puts it.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

/// What pods name. `busybox:1.36` and the like on a real cluster are a shell too.
pub const IMAGE: &str = "docker.io/library/busybox:1.36";

/// What containerd runs to hold a pod's namespaces.
pub(crate) const PAUSE: &str = "localhost/pause:1";

const PROGRAMS: [&str; 19] = [
    "sh", "ls", "cat", "env", "sleep", "echo", "true", "false", "id", "mount", "ps", "grep",
    "head", "tail", "test", "stat", "readlink", "printf", "seq",
];

/// Whether the program is there and runs without the machine's libraries, which pods do not have.
pub(crate) fn has_busybox() -> bool {
    let loader = b"/ld-linux";
    fs::read(BUSYBOX).is_ok_and(|bytes| !bytes.windows(loader.len()).any(|part| part == loader))
}

/// Writes the image as an OCI archive under the names [`IMAGE`] and [`PAUSE`].
pub(crate) fn write(archive: &Path) -> Result<(), ClusterError> {
    let busybox = Path::new(BUSYBOX);
    let program = fs::read(busybox).map_err(at("read", busybox))?;
    let layer = layer(&program).map_err(at("pack", busybox))?;
    let layer_digest = digest(&layer);
    let config = json!({
        "architecture": match std::env::consts::ARCH { "x86_64" => "amd64", "aarch64" => "arm64", other => other },
        "os": "linux",
        "config": { "Cmd": ["sleep", "1000000"], "Env": ["PATH=/bin"] },
        "rootfs": { "type": "layers", "diff_ids": [layer_digest] },
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(config.as_bytes()),
            "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": layer_digest,
            "size": layer.len(),
        }],
    })
    .to_string();
    let names = [IMAGE, PAUSE].map(|name| {
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(manifest.as_bytes()),
            "size": manifest.len(),
            "annotations": { "io.containerd.image.name": name },
        })
    });
    let index = json!({ "schemaVersion": 2, "manifests": names }).to_string();

    let mut out = Builder::new(File::create(archive).map_err(at("make", archive))?);
    let mut put = |name: &str, bytes: &[u8]| file(&mut out, name, bytes, 0o644);
    let written = put("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
        .and_then(|()| put("index.json", index.as_bytes()))
        .and_then(|()| {
            [&layer, config.as_bytes(), manifest.as_bytes()]
                .into_iter()
                .try_for_each(|blob| put(&blob_path(blob), blob))
        })
        .and_then(|()| out.finish());
    written.map_err(at("write", archive))
}

fn layer(busybox: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    for folder in [
        "bin", "etc", "tmp", "dev", "proc", "sys", "usr", "var", "run",
    ] {
        let mut header = header(EntryType::Directory, 0, 0o755);
        layer.append_data(&mut header, format!("{folder}/"), &[][..])?;
    }
    file(&mut layer, "bin/busybox", busybox, 0o755)?;
    for program in PROGRAMS {
        let mut header = header(EntryType::Symlink, 0, 0o777);
        layer.append_link(&mut header, format!("bin/{program}"), "busybox")?;
    }
    // Where a pod mounts the machine's `/usr`, it runs the machine's programs.
    for folder in ["lib", "lib64"] {
        let mut header = header(EntryType::Symlink, 0, 0o777);
        layer.append_link(&mut header, folder, format!("usr/{folder}"))?;
    }
    file(
        &mut layer,
        "etc/passwd",
        b"root:x:0:0:root:/:/bin/sh\n",
        0o644,
    )?;
    layer.into_inner()
}

fn file<W: std::io::Write>(
    archive: &mut Builder<W>,
    name: &str,
    bytes: &[u8],
    mode: u32,
) -> std::io::Result<()> {
    let mut header = header(EntryType::Regular, bytes.len(), mode);
    archive.append_data(&mut header, name, bytes)
}

fn header(kind: EntryType, size: usize, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    header
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

fn blob_path(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
