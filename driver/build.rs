//! Turns `proto/` into Rust, with a compiler that is itself Rust: nothing is installed, nothing fetched.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let folder = Path::new("proto");
    let apart = |file: &str| protox::compile([folder.join(file)], [folder]);

    for file in [
        "pluginregistration.proto",
        "dra_v1.proto",
        "health_v1.proto",
    ] {
        services().compile_fds(apart(file)?)?;
    }
    // An older version's messages are the newer one's, so only the services' names are made again.
    services()
        .extern_path(
            ".k8s.io.kubelet.pkg.apis.dra.v1beta1",
            "crate::node::plugin::proto::dra_v1",
        )
        .compile_fds(apart("dra_v1beta1.proto")?)?;
    services()
        .extern_path(".v1alpha1", "crate::node::plugin::proto::health_v1")
        .compile_fds(apart("health_v1alpha1.proto")?)?;
    Ok(())
}

/// The server side; the client side is what tests play the kubelet with.
fn services() -> tonic_prost_build::Builder {
    tonic_prost_build::configure()
        .build_transport(false)
        .client_mod_attribute(".", "#[cfg(test)]")
        .btree_map(".")
}
