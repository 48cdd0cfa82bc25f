//! Addresses and sizes below IP. `IpNetwork` stands for an IP address with its prefix everywhere.

mod mac;
mod mtu;

pub use mac::{InvalidMac, Mac};
pub use mtu::{InvalidMtu, Mtu};
