//! TLS: one certificate, read anew when its files change.

use super::options::TlsFiles;
use crate::limits;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What clients are shown, and how they are spoken to.
pub(crate) struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
}

/// Why certificate and key cannot be used.
#[derive(Debug)]
pub(crate) enum TlsError {
    File(PathBuf, pem::Error),
    NoCertificate(PathBuf),
    Unfit(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::File(path, error) => write!(f, "{}: {error}", path.display()),
            TlsError::NoCertificate(path) => write!(f, "{}: no certificate", path.display()),
            TlsError::Unfit(error) => write!(f, "certificate and key: {error}"),
        }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        TlsError::Unfit(error)
    }
}

/// A client's first byte: a TLS record that holds a handshake (RFC 8446 §5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// What a TLS port is spoken to in.
pub(crate) enum Spoken {
    Tls(Box<TlsStream<TcpStream>>),
    /// Something else, HTTP most likely: the stream, to say so.
    Plain(TcpStream),
}

impl Tls {
    /// # Errors
    ///
    /// Where the files cannot be read, or do not fit each other.
    pub(crate) fn load(files: TlsFiles) -> Result<Tls, TlsError> {
        let config = ArcSwap::new(Arc::new(config(&files)?));
        Ok(Tls { files, config })
    }

    /// Shakes hands, in bounded time.
    ///
    /// # Errors
    ///
    /// Where the client does not, or cannot: it speaks nothing that is safe.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Spoken> {
        let shaking = async {
            let mut first = [0];
            if stream.peek(&mut first).await? == 1 && first != [HANDSHAKE_RECORD] {
                return Ok(Spoken::Plain(stream));
            }
            let acceptor = TlsAcceptor::from(self.config.load_full());
            let stream = acceptor.accept(stream).await?;
            Ok(Spoken::Tls(Box::new(stream)))
        };
        timeout(limits::HANDSHAKE_TIME, shaking)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Looks after the files for ever. New ones that cannot be used change
    /// nothing but the log.
    pub(crate) async fn watch(self: Arc<Tls>) {
        let mut known = self.files.version();
        loop {
            tokio::time::sleep(limits::CERTIFICATE_LOOK).await;
            let version = self.files.version();
            if version == known {
                continue;
            }
            known = version;
            match config(&self.files) {
                Ok(config) => {
                    self.config.store(Arc::new(config));
                    tracing::info!("the certificate has changed; new connections get the new one");
                }
                Err(error) => {
                    let error = error.to_string();
                    tracing::error!(
                        error,
                        "the new certificate cannot be used; the old one stays"
                    );
                }
            }
        }
    }
}

/// What tells one state of a file from another.
type Version = Option<(SystemTime, u64)>;

impl TlsFiles {
    fn version(&self) -> [Version; 2] {
        [&self.cert, &self.key].map(|path| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.modified().ok()?, file.len()))
        })
    }
}

/// TLS 1.2 and 1.3 with the suites that rustls thinks well of; HTTP/2 where the
/// client speaks it; no early data, which could be replayed.
fn config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| TlsError::File(files.key.clone(), error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error| TlsError::File(path.to_owned(), error);
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(chain)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cannot_be_used_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str, content: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let nothing = path("nothing.pem", "");
        let broken = path(
            "broken.pem",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        );
        let missing = dir.path().join("missing.pem");
        for cert in [&nothing, &broken, &missing] {
            let files = TlsFiles {
                cert: cert.clone(),
                key: nothing.clone(),
            };
            let error = Tls::load(files).err().unwrap().to_string();
            let name = cert.file_name().unwrap().to_str().unwrap();
            assert!(error.contains(name), "{error}");
        }
    }
}
