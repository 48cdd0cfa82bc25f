//! A veth pair between host and container, without what each plugin makes of it.

use netd_model::{
    addr::{Mac, Mtu},
    attachment::AttachmentId,
    object::{GROUP, Link, LinkKind, Side},
};

use crate::inside::Assigned;

/// Both ends, with the attributes that a result shows.
#[derive(Debug)]
pub(crate) struct Pair {
    /// The host's end.
    pub(crate) host: Link,
    /// The container's end.
    pub(crate) container: Link,
    /// The hardware address of the host's end.
    pub(crate) host_mac: Mac,
    /// The hardware address of the container's end.
    pub(crate) container_mac: Mac,
}

impl Pair {
    /// The pair of an attachment. Where no hardware address is asked for, that of the container is a function of its
    /// first IP address, so that neighbours' caches stay true when the next container gets it.
    pub(crate) fn of(id: &AttachmentId, addresses: &[Assigned], mac: Option<Mac>, mtu: Option<Mtu>) -> Self {
        let parts = [id.container.as_str(), id.ifname.as_str()];
        let host_mac = Mac::derived(&[parts[0], parts[1], "host"]);
        let container_mac = mac.unwrap_or_else(|| match addresses.first() {
            Some(first) => Mac::of_address(id.network.as_str(), first.address.ip()),
            None => Mac::derived(&parts),
        });
        let peer = Some((Side::Container, id.ifname.clone()));
        let host = Link {
            mac: Some(host_mac),
            mtu,
            group: Some(GROUP),
            alias: Some(id.owner()),
            up: Some(true),
            ..Link::new(Side::Host, id.host_link(), LinkKind::Veth { peer })
        };
        let container = Link {
            mac: Some(container_mac),
            mtu,
            group: Some(GROUP),
            up: Some(true),
            ..Link::new(Side::Container, id.ifname.clone(), LinkKind::Veth { peer: None })
        };
        Self { host, container, host_mac, container_mac }
    }
}
