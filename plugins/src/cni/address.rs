//! Addresses as configurations write them.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::Deserialize;

/// An address with its prefix: `10.1.0.0/24`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct Cidr(pub IpNetwork);

/// An address; the empty text is none.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(pub Option<IpAddr>);

impl TryFrom<String> for Cidr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let invalid = || format!("invalid CIDR address: {text:?}");
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let (address, prefix) = (address.parse().ok(), prefix.parse().ok());
        let network = address.zip(prefix).and_then(|(address, prefix)| IpNetwork::new(address, prefix).ok());
        network.map(Self).ok_or_else(invalid)
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "" => Ok(Self(None)),
            text => {
                text.parse().map(|address| Self(Some(address))).map_err(|_| format!("invalid IP address: {text:?}"))
            }
        }
    }
}
