//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::ClusterError;

/// So many ports that nobody listens on. All are held until the last one is known, so they differ.
pub fn free<const N: usize>() -> Result<[u16; N], ClusterError> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.and_then(|listener| {
            *port = listener.local_addr()?.port();
            Ok(listener)
        });
        held.push(listener.map_err(|source| ClusterError::Io {
            what: "find a free port on 127.0.0.1".to_owned(),
            source,
        })?);
    }
    Ok(ports)
}
