//! The networks that the tests ask.
//!
//! | network | subnets | domain | upstreams | who |
//! |---|---|---|---|---|
//! | web | 10.1.0.0/24, fd00:1::/64 | web.internal | host's | c1 `web1` `web`, c2 `web2` `web`, db `db` |
//! | back | 10.2.0.0/24 | back.internal | none | db `db` `store`, cache `cache` `a.cluster` |
//! | twin | 10.1.0.0/24, as web | twin.internal | host's | spy `secret` at c1's address |
//! | dev | 10.3.0.0/20 | dev.example | own, single labels too | tool `tool` `db.example.com` |

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::{Attachment, Network, NetworkId, Upstream, Upstreams, Zones, ZonesBuilder};

pub(crate) const SERIAL: u64 = 42;

pub(crate) fn zones() -> Zones {
    let builder = ZonesBuilder::new(SERIAL);
    [web(), back(), twin(), dev()].into_iter().fold(builder, ZonesBuilder::network).build()
}

pub(crate) fn web() -> Network {
    let attachments = vec![
        attachment("c1", &["10.1.0.7", "fd00:1::7"], &["web1", "web"], 5),
        attachment("c2", &["10.1.0.8"], &["web2", "web"], 3),
        attachment("db", &["10.1.0.9"], &["db"], 5),
    ];
    let subnets = &["10.1.0.0/24", "fd00:1::/64"];
    network("web", "web.internal", subnets, &["10.1.0.1", "fd00:1::1"], attachments)
}

pub(crate) fn back() -> Network {
    let attachments = vec![
        attachment("db", &["10.2.0.9"], &["db", "store"], 2),
        attachment("cache", &["10.2.0.10"], &["cache", "a.cluster"], 5),
    ];
    let network = network("back", "back.internal", &["10.2.0.0/24"], &["10.2.0.1"], attachments);
    Network { upstreams: Upstreams::None, ..network }
}

fn twin() -> Network {
    let attachments = vec![attachment("spy", &["10.1.0.7"], &["secret"], 5)];
    network("twin", "twin.internal", &["10.1.0.0/24"], &["10.1.0.1"], attachments)
}

fn dev() -> Network {
    let attachments = vec![attachment("tool", &["10.3.0.7"], &["tool", "db.example.com"], 5)];
    let upstreams = Upstreams::Own(upstreams(&["192.0.2.53:53"]));
    let network = network("dev", "dev.example", &["10.3.0.0/20"], &["10.3.0.1"], attachments);
    Network { upstreams, forward_single_label: true, ..network }
}

pub(crate) fn network(
    id: &str,
    domain: &str,
    subnets: &[&str],
    gateways: &[&str],
    attachments: Vec<Attachment>,
) -> Network {
    Network {
        id: id.into(),
        domain: domain.parse().unwrap(),
        subnets: subnets.iter().map(|text| text.parse().unwrap()).collect(),
        gateways: addresses(gateways),
        near: Vec::new(),
        upstreams: Upstreams::Host,
        split_domains: Vec::new(),
        forward_single_label: false,
        records: Vec::new(),
        attachments,
    }
}

pub(crate) fn attachment(container: &str, at: &[&str], names: &[&str], ttl: u32) -> Attachment {
    Attachment {
        container: container.into(),
        addresses: addresses(at),
        names: names.iter().map(|name| name.parse().unwrap()).collect(),
        ports: Vec::new(),
        texts: Vec::new(),
        is_healthy: true,
        upstreams: None,
        ttl,
    }
}

pub(crate) fn upstreams(addresses: &[&str]) -> Arc<[Upstream]> {
    addresses.iter().map(|address| Upstream::from(address.parse::<SocketAddr>().unwrap())).collect()
}

pub(crate) fn listener(networks: &[&str]) -> Vec<NetworkId> {
    networks.iter().map(|&id| id.into()).collect()
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}
