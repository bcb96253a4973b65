//! The kubelet's messages and services, made from `driver/proto` by `build.rs`.
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    reason = "generated: `driver/proto` explains the messages, and not every service needs all of it"
)]

/// Registration with the kubelet's plugin watcher.
pub(crate) mod registration {
    tonic::include_proto!("pluginregistration");
}

/// DRA as of Kubernetes 1.34.
pub(crate) mod dra_v1 {
    tonic::include_proto!("k8s.io.kubelet.pkg.apis.dra.v1");
}

/// DRA as of Kubernetes 1.32; its messages are `dra_v1`'s.
pub(crate) mod dra_v1beta1 {
    tonic::include_proto!("k8s.io.kubelet.pkg.apis.dra.v1beta1");
}

/// Device health.
pub(crate) mod health_v1 {
    tonic::include_proto!("v1");
}

/// Device health under its first name; its messages are `health_v1`'s.
pub(crate) mod health_v1alpha1 {
    tonic::include_proto!("v1alpha1");
}
