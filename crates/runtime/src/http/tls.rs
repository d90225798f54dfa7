//! Certificates of a server and of its clients. They are read again when their files change.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

use super::{Subject, lock};

/// The files of a TLS server.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// The table of the configuration with these files, for errors: `sharing.tls`.
    pub setting: &'static str,
    /// PEM file with the certificate chain, the server's own certificate first.
    pub certificate: String,
    /// PEM file with the private key.
    pub key: String,
    /// PEM file with the authorities whose client certificates are accepted; if empty, clients are
    /// not asked for certificates.
    pub client_ca: String,
}

/// A client certificate issued by a configured authority.
#[derive(Debug)]
pub struct Certificate {
    /// SHA-256, hexadecimal.
    pub fingerprint: String,
    /// Its subject.
    pub subject: Subject,
}

/// The certificates as last read from the files.
pub struct Certificates {
    files: TlsFiles,
    seen: Mutex<Vec<Option<(SystemTime, u64)>>>,
    current: Mutex<Current>,
}

#[derive(Clone)]
struct Current {
    acceptor: TlsAcceptor,
    expires: i64,
}

impl Certificates {
    /// Reads the files. An error names the setting and the file.
    pub fn open(files: TlsFiles) -> Result<Self, String> {
        let seen = Mutex::new(file_states(&files));
        let current = Mutex::new(load(&files)?);
        Ok(Self { files, seen, current })
    }

    /// Time at which the server's certificate expires, in seconds since the Unix epoch.
    pub fn expires(&self) -> i64 {
        lock(&self.current).expires
    }

    /// Reads the files again if they have changed. If the new files are not usable, the old
    /// certificates stay.
    pub fn refresh(&self) {
        let found = file_states(&self.files);
        if *lock(&self.seen) == found {
            return;
        }
        match load(&self.files) {
            Ok(new) => {
                *lock(&self.current) = new;
                tracing::info!(certificate = self.files.certificate, "reloaded the certificate");
            }
            Err(why) => tracing::error!(%why, "the new certificate cannot be used, keeping the old one"),
        }
        *lock(&self.seen) = found;
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        lock(&self.current).acceptor.clone()
    }
}

/// Modification time and size of each file, to notice changes.
fn file_states(files: &TlsFiles) -> Vec<Option<(SystemTime, u64)>> {
    [&files.certificate, &files.key, &files.client_ca]
        .into_iter()
        .filter(|path| !path.is_empty())
        .map(|path| fs::metadata(path).ok().and_then(|meta| Some((meta.modified().ok()?, meta.len()))))
        .collect()
}

fn load(files: &TlsFiles) -> Result<Current, String> {
    let chain = certificates(files, "certificate", &files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| format!("{}.key: {} has no private key: {error}", files.setting, files.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = if files.client_ca.is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for root in certificates(files, "client_ca", &files.client_ca)? {
            roots.add(root).map_err(|error| format!("{}.client_ca: {}: {error}", files.setting, files.client_ca))?;
        }
        // Client certificates are optional: people at the console have none, and partners may use
        // an API key instead.
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
            .allow_unauthenticated()
            .build()
            .map_err(|error| format!("{}.client_ca: {}: {error}", files.setting, files.client_ca))?;
        builder.with_client_cert_verifier(verifier)
    };
    let expires = chain
        .first()
        .and_then(|own| x509_parser::parse_x509_certificate(own).ok())
        .map_or(0, |(_, own)| own.validity().not_after.timestamp());
    let mut server = builder
        .with_single_cert(chain, key)
        .map_err(|error| format!("{}: {} and {} do not match: {error}", files.setting, files.certificate, files.key))?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Current { acceptor: TlsAcceptor::from(Arc::new(server)), expires })
}

fn certificates(files: &TlsFiles, key: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| format!("{}.{key}: {path} cannot be read: {error}", files.setting))?;
    if found.is_empty() {
        return Err(format!("{}.{key}: {path} has no certificate in PEM form", files.setting));
    }
    Ok(found)
}

pub(super) fn certificate(der: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(Certificate { fingerprint: text_format::hex(&Sha256::digest(der)), subject: Subject::of(parsed.subject()) })
}
