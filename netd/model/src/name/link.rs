//! Names of interfaces, given and derived.

use serde::{Deserialize, Serialize};

use super::{InvalidName, short::Short, text};
use crate::digest::hex;

/// The name of a network interface: 1 to 15 bytes, without `/`, `:`, white space or control characters, not `.` or `..`.
///
/// Source: `dev_valid_name` in the kernel's net/core/dev.c, CNI 1.1 section 2.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkName(Short);

text!(LinkName, |value| {
    let invalid = |rule| Err(InvalidName { what: "interface name", rule, value: value.to_owned() });
    match value {
        "" => invalid("is empty"),
        "." | ".." => invalid("is . or .."),
        _ if value.len() > 15 => invalid("is longer than 15 bytes"),
        _ if value.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) => {
            invalid("contains / or : or whitespace characters")
        }
        _ => Ok(()),
    }
});

/// What an interface is that gets a derived name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derived {
    /// An end of a veth pair.
    Veth,
    /// The bridge of an overlay network.
    OverlayBridge,
    /// The VXLAN device of an overlay network.
    OverlayDevice,
    /// The first name of an interface that is made from one namespace in another.
    Newborn,
    /// The second name of an interface of the host that a container has.
    Mark,
    /// The IFB that what an interface of a container gets, or sends, is held back in.
    Ifb,
}

/// The name of an interface that we make: a function of `parts` alone, so that repair and removal find it.
pub fn derived_link(kind: Derived, parts: &[&str]) -> LinkName {
    let digits = hex(parts, 11);
    let name = match kind {
        Derived::Veth => format!("veth{digits}"),
        Derived::OverlayBridge => format!("ovlb{digits}"),
        Derived::OverlayDevice => format!("ovlx{digits}"),
        Derived::Newborn => format!("netb{digits}"),
        Derived::Mark => format!("netm{digits}"),
        Derived::Ifb => format!("netq{digits}"),
    };
    LinkName(name.as_str().into())
}
