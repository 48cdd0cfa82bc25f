//! Networks of mode `l2`: one subnet is one link on all hosts, and each host has a part of its addresses.
//!
//! All hosts have the same gateway, the first address of the subnet, and answer for it to their own containers. Beside
//! it a host has an address of its own, the first of its part, from which it sends what it begins itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::Overlay;
use crate::{
    addr::Mac,
    object::{Address, GROUP, Link, LinkKind, Object, Side, Sysctl, SysctlPath},
};

/// The gateway of a subnet, the same on all hosts.
pub fn gateway(subnet: IpNetwork) -> IpAddr {
    after(subnet.network(), 1)
}

/// A host's part of one subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The subnet, the same on all hosts.
    pub subnet: IpNetwork,
    /// The address that every host has.
    pub gateway: IpAddr,
    /// The address that only this host has.
    pub own: IpAddr,
    /// The first address that a container of this host may get.
    pub first: IpAddr,
    /// The last one.
    pub last: IpAddr,
}

impl Share {
    /// The share that has all addresses of `part`, which is of `subnet`.
    pub fn new(subnet: IpNetwork, part: IpNetwork) -> Self {
        let gateway = gateway(subnet);
        let own = after(part.network(), if part.contains(gateway) { 2 } else { 1 });
        Self { subnet, gateway, own, first: after(own, 1), last: part.broadcast() }
    }

    /// The host's own address as its bridge has it: the whole subnet is on the link.
    fn held(self) -> IpNetwork {
        IpNetwork::new(self.own, self.subnet.prefix()).unwrap_or(self.subnet)
    }
}

/// Addresses that the bridge of a host has in this mode and in no other; those that it has in both are not among them.
pub fn addresses_of_mode(overlay: &Overlay, parts: &[IpNetwork]) -> Vec<IpNetwork> {
    let of_share = |share: Share| [share.held(), IpNetwork::from(share.gateway)];
    let is_routed = |address: &IpNetwork| {
        parts.iter().any(|part| part.prefix() == address.prefix() && after(part.network(), 1) == address.ip())
    };
    shares(overlay, parts).into_iter().flat_map(of_share).filter(|address| !is_routed(address)).collect()
}

/// The shares of a host in the subnets of a network; what is of none of them is none.
pub fn shares(overlay: &Overlay, parts: &[IpNetwork]) -> Vec<Share> {
    let of = |part: &IpNetwork| {
        let subnet = overlay.subnets.iter().find(|subnet| subnet.contains(part.network()))?;
        Some(Share::new(*subnet, *part))
    };
    parts.iter().filter_map(of).collect()
}

/// The bridge of a host and what is on it, apart from its ports: netd keeps it, and the plugin makes it where it is not
/// there. `vtep` is the hardware address of the host's VXLAN device, and `has_ipv6` says that the kernel has IPv6.
///
/// Its MTU is nobody's to say: a bridge follows the smallest of its ports.
pub fn bridge(overlay: &Overlay, shares: &[Share], vtep: Option<Mac>, has_ipv6: bool) -> Vec<Object> {
    let name = overlay.bridge();
    let sysctl =
        |path: SysctlPath, value: &str| Object::Sysctl(Sysctl { side: Side::Host, path, value: value.to_owned() });
    let link = Link {
        mac: mac(overlay, shares, vtep),
        group: Some(GROUP),
        up: Some(true),
        ..Link::new(Side::Host, name.clone(), LinkKind::Bridge { vlan_filtering: None })
    };
    let mut objects = vec![Object::Link(link)];
    if has_ipv6 {
        let is_off = if shares.iter().any(|share| share.subnet.is_ipv6()) { "0" } else { "1" };
        objects.push(sysctl(SysctlPath::of_link("ipv6", &name, "disable_ipv6"), is_off));
        objects.push(sysctl(SysctlPath::of_link("ipv6", &name, "accept_ra"), "0"));
    }
    for share in shares {
        let Share { subnet, gateway, .. } = share;
        let held = |address, deprecated| {
            let link = name.clone();
            Object::Address(Address { side: Side::Host, link, address, detect_duplicates: false, deprecated })
        };
        let forwarding = if subnet.is_ipv4() { "ipv4/ip_forward" } else { "ipv6/conf/all/forwarding" };
        objects.extend([
            held(share.held(), false),
            held(IpNetwork::from(*gateway), true),
            sysctl(SysctlPath::of_namespace(forwarding), "1"),
        ]);
    }
    objects
}

/// No other host's, and the same for as long as the host is who it is: its containers keep it in their neighbour tables,
/// also when its part becomes another. An older netd does not say what it comes from.
fn mac(overlay: &Overlay, shares: &[Share], vtep: Option<Mac>) -> Option<Mac> {
    let of_address = || shares.first().map(|share| Mac::of_address(overlay.name.as_str(), share.own));
    vtep.map(|vtep| Mac::derived(&["bridge", overlay.name.as_str(), &vtep.to_string()])).or_else(of_address)
}

/// The address `count` after another.
fn after(address: IpAddr, count: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits().wrapping_add(count.into())).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits().wrapping_add(count.into())).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::{Mode, PORT, Vni};

    #[test]
    fn a_share_begins_after_what_the_host_has_of_it() {
        for (subnet, part, expected) in [
            ("10.40.0.0/16", "10.40.1.0/24", ["10.40.0.1", "10.40.1.1", "10.40.1.2", "10.40.1.255"]),
            ("10.40.0.0/16", "10.40.0.0/24", ["10.40.0.1", "10.40.0.2", "10.40.0.3", "10.40.0.255"]),
            ("10.40.0.0/29", "10.40.0.0/29", ["10.40.0.1", "10.40.0.2", "10.40.0.3", "10.40.0.7"]),
            (
                "fd40::/48",
                "fd40:0:0:1::/64",
                ["fd40::1", "fd40:0:0:1::1", "fd40:0:0:1::2", "fd40::1:ffff:ffff:ffff:ffff"],
            ),
        ] {
            let share = Share::new(subnet.parse().unwrap(), part.parse().unwrap());
            let found = [share.gateway, share.own, share.first, share.last];
            assert_eq!(found, expected.map(|address| address.parse::<IpAddr>().unwrap()), "{part}");
        }
    }

    #[test]
    fn no_address_of_the_other_mode_is_of_this_one() {
        let overlay = |subnet: &str| Overlay {
            name: "lab".parse().unwrap(),
            mode: Mode::L2,
            subnets: vec![subnet.parse().unwrap()],
            vni: Vni::of_network("default", "lab"),
            port: PORT,
            masquerade: true,
            domain: None,
            internal: false,
        };
        for (subnet, part, expected) in [
            ("10.40.0.0/16", "10.40.1.0/24", &["10.40.1.1/16", "10.40.0.1/32"][..]),
            ("10.40.0.0/16", "10.40.0.0/24", &["10.40.0.2/16", "10.40.0.1/32"]),
            ("10.40.0.0/16", "10.40.0.0/16", &["10.40.0.2/16", "10.40.0.1/32"]),
            ("fd40::/48", "fd40:0:0:1::/64", &["fd40:0:0:1::1/48", "fd40::1/128"]),
        ] {
            let found = addresses_of_mode(&overlay(subnet), &[part.parse().unwrap()]);
            assert_eq!(found, expected.iter().map(|it| it.parse().unwrap()).collect::<Vec<IpNetwork>>(), "{part}");
        }
    }
}
