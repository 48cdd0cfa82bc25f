//! A link with a server on it.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Daemon, Host, Lab};

use crate::config::with;

/// How soon a server knows what it was told.
pub(super) const SOON: Duration = Duration::from_secs(10);

pub(super) fn macvlan() -> Value {
    json!({"cniVersion": "1.1.0", "name": "lan", "type": "macvlan", "master": "to-b", "ipam": {"type": "dhcp"}})
}

/// The same with one key of `ipam`.
pub(super) fn of_ipam(key: &str, value: &Value) -> Value {
    with(macvlan(), &json!({"ipam": {"type": "dhcp", key: value}}))
}

/// A host with a cable to another, where servers run.
pub(super) fn lan(lab: &Lab) -> [Host; 2] {
    let [host, far] = ["a", "b"].map(|name| lab.host(name));
    host.link_to(&far, "192.168.50.1/24", "192.168.50.2/24");
    far.sh("ip address add fd50::2/64 dev to-a nodad");
    [host, far]
}

/// A server on the cable, with these words besides.
pub(super) fn dnsmasq(far: &Host, words: &str) -> Daemon {
    far.dhcp_server("to-a", words)
}

/// A server of one address, for four seconds, which dnsmasq does not give.
pub(super) fn udhcpd(far: &Host, only: &str) -> Daemon {
    far.short_dhcp_server("to-a", only)
}

/// The addresses that dnsmasq has given, the last one last.
pub(super) fn given(far: &Host) -> Vec<String> {
    far.dhcp_given()
}
