//! A first connection to a member of etcd, which finds out whether there can be one: the client makes its own when it
//! needs it, again and again without end, and what went wrong with them gets lost on the way to who asks.

use std::{fs, io, net::SocketAddr, path::Path, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use super::PATIENCE;
use crate::{
    logs::chain,
    settings::cluster::{Etcd, Tls},
};

/// How a connection of HTTP/2 begins, with settings that say nothing (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Whether the member talks to this host.
///
/// # Errors
/// Why it does not.
pub(super) async fn probe(etcd: &Etcd, member: SocketAddr) -> Result<(), String> {
    let config = etcd.tls.as_ref().map(config).transpose()?;
    let talk = async {
        let stream = TcpStream::connect(member).await.map_err(|error| error.to_string())?;
        match (config, &etcd.tls) {
            (Some(config), Some(tls)) => greet(stream, config, member, tls).await,
            _ => Ok(()),
        }
    };
    let talked = timeout(PATIENCE, talk).await;
    let talked = talked.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).to_string()));
    talked.map_err(|error| format!("connect to etcd at {member}: {error}"))
}

/// Who asks for a certificate looks at it only after the handshake, as this side sees it (RFC 8446 4.4.2): it must say
/// something first.
async fn greet(stream: TcpStream, config: ClientConfig, member: SocketAddr, tls: &Tls) -> Result<(), String> {
    let connecting = TlsConnector::from(Arc::new(config)).connect(ServerName::IpAddress(member.ip().into()), stream);
    let mut stream = connecting.await.map_err(|error| match tls.ca {
        Some(_) => format!("{error}: cluster.ca_file must have who signed its certificate for this address"),
        None => format!("{error}: set cluster.ca_file"),
    })?;
    // Why it could not be written is what is read.
    let _ = stream.write_all(PREFACE).await;
    let error = match stream.read(&mut [0; 64]).await {
        Ok(0) => "it hangs up".to_owned(),
        Ok(_) => return Ok(()),
        Err(error) => error.to_string(),
    };
    Err(match tls.own {
        Some(_) => format!("{error}: it does not take the certificate of cluster.cert_file"),
        None => format!("{error}: it may ask for a certificate, set cluster.cert_file and cluster.key_file"),
    })
}

fn config(tls: &Tls) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in tls.ca.iter().map(|ca| certificates(ca)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        roots.add(certificate).map_err(|error| format!("cluster.ca_file: {error}"))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(|error| chain(&error))?;
    let config = config.with_root_certificates(roots);
    let mut config = match &tls.own {
        Some((certificate, key)) => {
            let own = PrivateKeyDer::from_pem_slice(&read(key)?);
            let own = own.map_err(|error| format!("read {}: {error}", key.display()))?;
            let certified = config.with_client_auth_cert(certificates(certificate)?, own);
            certified.map_err(|error| format!("cluster.cert_file and cluster.key_file: {error}"))?
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// The certificates of a file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| format!("read {}: {error}", path.display()))?;
    if found.is_empty() {
        return Err(format!("read {}: there is no certificate in it", path.display()));
    }
    Ok(found)
}

/// A file of the settings.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("read {}: {error}", path.display()))
}
