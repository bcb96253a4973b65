//! Keys and certificates of one cluster: an authority of its own, and everybody else by it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::error::{ClusterError, at};

/// The folder with them.
#[derive(Debug)]
pub(crate) struct Pki {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    pub(crate) fn create(folder: PathBuf) -> Result<Self, ClusterError> {
        fs::create_dir(&folder).map_err(at("make", &folder))?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params
            .distinguished_name
            .push(DnType::CommonName, "supercargo-cluster");
        let key = KeyPair::generate()?;
        write(&folder.join("ca.crt"), &params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        let pki = Self { folder, issuer };

        let service_accounts = KeyPair::generate()?;
        write(&pki.path("sa.key"), &service_accounts.serialize_pem())?;
        write(&pki.path("sa.pub"), &service_accounts.public_key_pem())?;
        let server = CertificateParams::new(vec![
            "127.0.0.1".to_owned(),
            "localhost".to_owned(),
            "kubernetes.default.svc".to_owned(),
        ])?;
        pki.issue("server", server, ExtendedKeyUsagePurpose::ServerAuth)?;
        // The group that may do everything.
        pki.client("admin", "admin", &["system:masters"])?;
        Ok(pki)
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Makes `<file>.crt` and `<file>.key` for a user in some groups.
    pub(crate) fn client(
        &self,
        file: &str,
        user: &str,
        groups: &[&str],
    ) -> Result<(), ClusterError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, user);
        for group in groups {
            params
                .distinguished_name
                .push(DnType::OrganizationName, *group);
        }
        self.issue(file, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        file: &str,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<(), ClusterError> {
        params.extended_key_usages.push(usage);
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        write(&self.path(&format!("{file}.crt")), &certificate.pem())?;
        write(&self.path(&format!("{file}.key")), &key.serialize_pem())
    }
}

fn write(path: &Path, text: &str) -> Result<(), ClusterError> {
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(at("write", path))
}
