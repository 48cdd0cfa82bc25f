//! Whose certificates are good for upstreams that are asked over TLS. Pure.

use std::sync::Arc;

use thiserror::Error;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Certificates of authorities that are of no use.
#[derive(Debug, Error)]
pub enum AuthoritiesError {
    /// The text is no PEM.
    #[error("read certificates of authorities")]
    Pem(#[source] pem::Error),
    /// It holds none that can be used.
    #[error("there is no certificate of an authority")]
    None,
    /// TLS cannot be set up.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
}

/// TLS towards servers whose certificates were signed by one of these, in PEM. Of a bundle, those that cannot be used are
/// passed over.
pub(super) fn tls(authorities: &[u8]) -> Result<Arc<ClientConfig>, AuthoritiesError> {
    let certificates = CertificateDer::pem_slice_iter(authorities).collect::<Result<Vec<_>, _>>();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates.map_err(AuthoritiesError::Pem)?);
    if added == 0 {
        return Err(AuthoritiesError::None);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(AuthoritiesError::Tls)?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
