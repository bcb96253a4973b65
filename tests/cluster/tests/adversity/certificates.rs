//! What `supercargo-scheduler-tls` of the examples holds: a certificate for both sides, its key, and whom it
//! trusts.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use crate::Failure;

/// Who the kube-scheduler asks for; and where the test lets it find that.
const NAMES: [&str; 2] = ["supercargo-scheduler.supercargo.svc", "127.0.0.1"];

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, Failure> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, pem })
    }

    /// Writes a new certificate from this authority into a folder, and whom its owner trusts.
    pub(crate) fn issue(&self, folder: &Path, trusts: &[&Self]) -> Result<PathBuf, Failure> {
        let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let trusted: String = trusts.iter().map(|authority| &*authority.pem).collect();
        fs::create_dir_all(folder)?;
        for (file, text) in [
            ("tls.crt", certificate.pem()),
            ("tls.key", key.serialize_pem()),
            ("ca.crt", trusted),
        ] {
            fs::write(folder.join(file), text)?;
        }
        Ok(folder.to_owned())
    }
}

/// The flags by which Supercargo serves with what is in a folder.
pub(crate) fn flags(folder: &Path) -> Vec<String> {
    [
        ("tls-cert", "tls.crt"),
        ("tls-key", "tls.key"),
        ("client-ca", "ca.crt"),
    ]
    .map(|(flag, file)| format!("--{flag}={}", folder.join(file).display()))
    .to_vec()
}
