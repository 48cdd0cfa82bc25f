//! A server that is asked for names that are not ours, as people write it and as documents hold it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::name::HostName;

#[cfg(test)]
mod tests;

/// The port of a server where none is said (RFC 1035 4.2), and that of one over TLS (RFC 7858 3.1).
const PORT: u16 = 53;
const TLS_PORT: u16 = 853;
const TLS: &str = "tls://";
/// Characters of a refused text that its error repeats.
const SHOWN: usize = 80;

/// `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53`, `[2001:db8::53]:5353`; over TLS `tls://192.0.2.53`, or
/// `tls://192.0.2.53:8853#dns.example` where the certificate is for that name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it is asked over TLS, and for whom its certificate must be.
    pub tls: Option<Certified>,
}

/// For whom a certificate is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certified {
    /// For the address of the server.
    Address,
    /// For this name.
    Name(HostName),
}

/// A text that is no [`Upstream`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} {fault}")]
pub struct InvalidUpstream {
    text: String,
    fault: &'static str,
}

impl FromStr for Upstream {
    type Err = InvalidUpstream;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |fault| InvalidUpstream { text: text.chars().take(SHOWN).collect(), fault };
        let (place, tls) = match text.strip_prefix(TLS) {
            None => (text, None),
            Some(rest) => match rest.split_once('#') {
                None => (rest, Some(Certified::Address)),
                Some((place, name)) => {
                    let name = HostName::written(name);
                    let name = name.map_err(|_| wrong("has no name that a certificate can be for after the #"))?;
                    (place, Some(Certified::Name(name)))
                }
            },
        };
        let port = if tls.is_some() { TLS_PORT } else { PORT };
        let address = place.parse::<IpAddr>().map(|address| SocketAddr::new(address, port));
        let address = address.or_else(|_| place.parse::<SocketAddr>()).map_err(|_| {
            wrong("is no address of a server, as in 10.0.0.53, [::1]:5353 or tls://10.0.0.53#dns.example")
        })?;
        if address.ip().is_unspecified() || address.ip().is_multicast() || address.port() == 0 {
            return Err(wrong("is no address of one server"));
        }
        Ok(Self { address, tls })
    }
}

impl TryFrom<String> for Upstream {
    type Error = InvalidUpstream;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Upstream> for String {
    fn from(upstream: Upstream) -> Self {
        upstream.to_string()
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tls {
            None => write!(f, "{}", self.address),
            Some(Certified::Address) => write!(f, "{TLS}{}", self.address),
            Some(Certified::Name(name)) => write!(f, "{TLS}{}#{name}", self.address),
        }
    }
}

/// Why these cannot be asked one after the other, if that is so: what is asked over TLS would be asked in the open when
/// the first of them are silent.
pub fn discord(upstreams: &[Upstream]) -> Option<&'static str> {
    let over_tls = upstreams.iter().filter(|upstream| upstream.tls.is_some()).count();
    let is_mixed = over_tls != 0 && over_tls != upstreams.len();
    is_mixed
        .then_some("some are asked over TLS and some are not: when those are silent, these would be asked in the open")
}
