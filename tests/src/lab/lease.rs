//! What netd gives a host in an overlay network, before the plugin can work: the same for all who need no other.

use netd_model::overlay::{HostLease, Mode, Overlay, PORT, VERSION, Vni};

/// The lease of a host with this part of `network`, which is 10.40.0.0/16.
pub fn host_lease(network: &str, part: &str) -> HostLease {
    let overlay = Overlay {
        name: network.parse().unwrap(),
        mode: Mode::Routed,
        subnets: vec!["10.40.0.0/16".parse().unwrap()],
        vni: Vni::of_network("default", network),
        port: PORT,
        masquerade: true,
        domain: None,
        internal: false,
    };
    let subnets = vec![part.parse().unwrap()];
    HostLease { version: VERSION, overlay, subnets, mtu: 1450.try_into().unwrap(), mac: None }
}
