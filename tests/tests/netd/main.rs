//! netd beside the plugins: what containers, and people who break things, see of it.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod alone;
mod clients;
mod control;
mod figures;
mod forwarding;
mod health;
mod load;
mod names;
mod ports;
mod reclaim;
mod repair;
mod restart;
mod sockets;
mod split;
mod taken;

use serde_json::{Value, json};

/// A bridge with both families, and names.
fn network(name: &str, number: u8, dns: &Value) -> Value {
    let ranges = json!([[{"subnet": format!("10.{number}.0.0/24")}], [{"subnet": format!("2001:db8:{number}::/64")}]]);
    let mut dns = dns.clone();
    dns["type"] = "dns".into();
    json!({
        "cniVersion": "1.1.0",
        "name": name,
        "plugins": [
            {
                "type": "bridge",
                "bridge": format!("br-{name}"),
                "isDefaultGateway": true,
                "ipMasq": true,
                "ipam": {"type": "host-local", "ranges": ranges}
            },
            dns
        ]
    })
}

/// The network that most tests use.
fn web() -> Value {
    network("web", 1, &json!({"capabilities": {"aliases": true}}))
}
