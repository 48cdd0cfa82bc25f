//! What the bridge plugin wants in the kernel: a pure function of configuration, addresses and facts.

use std::net::IpAddr;

use netd_model::{
    addr::{Mac, Mtu},
    attachment::{AttachmentId, Section},
    element::{Element, Part, Set},
    name::LinkName,
    object::{Address, GROUP, Link, LinkKind, Object, Port, Program, Route, Side, State, Sysctl, SysctlPath, Vlan},
};

use super::{addresses, config::Config};
use crate::{
    attach,
    inside::{self, Assigned, Inside, Subnet},
    pair::Pair,
};

/// What the host shows before anything is made.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The link that has the bridge's name.
    pub bridge: Option<Link>,
    /// The largest packet that the way out takes.
    pub uplink_mtu: Option<Mtu>,
    /// Whether this kernel has IPv6.
    pub ipv6: bool,
    /// What makes the bridge's MAC differ from that of a bridge of the same name on another host.
    pub machine: String,
}

/// The bridge, the pair and what stands on them, with the attributes that the result shows.
#[derive(Debug)]
pub(super) struct Wanted {
    /// What is recorded and made.
    pub section: Section,
    /// The bridge's hardware address; none for a found one that has none.
    pub bridge_mac: Option<Mac>,
    /// The hardware address of the host's end.
    pub host_mac: Mac,
    /// The hardware address of the container's end.
    pub container_mac: Mac,
    /// The largest packet of both ends.
    pub mtu: Option<Mtu>,
    /// The interface that holds the gateway addresses where it is not the bridge itself.
    pub vlan_gateway: Option<LinkName>,
}

/// One attachment of one container, about to be described.
pub(super) struct Attach<'a> {
    pub id: &'a AttachmentId,
    pub config: &'a Config,
    pub facts: &'a Facts,
    pub addresses: &'a [Assigned],
    pub routes: &'a [Route],
    /// Interfaces by which the network goes on, on other hosts.
    pub elsewhere: &'a [LinkName],
    /// Whether the bridge gets an MTU of its own.
    pub sizes_bridge: bool,
    /// The bridge and what is on it, where they are wanted apart from the attachment.
    pub kept: &'a State,
}

impl Attach<'_> {
    /// Everything this attachment wants.
    pub(super) fn wanted(&self) -> Wanted {
        let bridge = self.bridge();
        let mtu = self.mtu();
        let Pair { host, container, host_mac, container_mac } = self.pair(mtu);
        let vlan_gateway =
            self.config.gateway_link.clone().filter(|_| self.config.gateway && !self.addresses.is_empty());
        let mut section = Section::default();
        section.shared.extend(self.shared(&bridge, vlan_gateway.as_ref()));
        section.own.extend([Object::Link(host), Object::Link(container)]);
        section.own.extend(self.in_container());
        section.own.extend(self.vlans(&self.id.host_link()));
        section.own.extend(self.masquerade(vlan_gateway.as_ref()));
        section.own.extend(self.guard(container_mac));
        Wanted { section, bridge_mac: bridge.mac, host_mac, container_mac, mtu, vlan_gateway }
    }

    /// A bridge that is made for IPv4 alone has no IPv6 of its own, until a network with IPv6 comes.
    pub(super) fn bridge_without_ipv6(&self) -> Option<Object> {
        let path = SysctlPath::of_link("ipv6", &self.config.bridge, "disable_ipv6");
        let off = Sysctl { side: Side::Host, path, value: "1".to_owned() };
        (self.facts.bridge.is_none() && self.is_ipv4_alone()).then_some(Object::Sysctl(off))
    }

    /// Whether this kernel has IPv6 and the network nothing of it: addresses are of IPv4, and the host is the router.
    ///
    /// Then nobody is given a link-local address. It would make each container send to groups (MLD, RS), each packet go
    /// to every port and, with the routing lock held, keep the next ADD waiting. Where another is the router, there may
    /// be addresses by its advertisements.
    fn is_ipv4_alone(&self) -> bool {
        let mut addresses = self.addresses.iter().map(|assigned| assigned.address);
        self.facts.ipv6 && self.config.gateway && !self.addresses.is_empty() && addresses.all(|one| one.is_ipv4())
    }

    /// VLAN 1, which every new port of a filtering bridge is in, unless it is to stay.
    pub(super) fn unwanted(&self) -> Vec<Object> {
        if !self.config.filters_vlans() || self.config.preserve_default_vlan {
            return vec![];
        }
        let wanted = self.vlans(&self.id.host_link());
        let mut ports = vec![self.id.host_link()];
        ports.extend(self.config.gateway_port.clone());
        let default = |port| Object::Vlan(Vlan { port, vid: 1, pvid: true, untagged: true });
        let kept = |object: &Object| wanted.iter().any(|wanted| wanted.key() == object.key());
        ports.into_iter().map(default).filter(|object| !kept(object)).collect()
    }

    fn mtu(&self) -> Option<Mtu> {
        let bridge = self.facts.bridge.as_ref().and_then(|bridge| bridge.mtu);
        self.config.mtu.or(bridge).or(self.facts.uplink_mtu)
    }

    /// The bridge: as we found it where another made it, as we make it otherwise.
    fn bridge(&self) -> Link {
        if let Some(kept) = self.kept.link(Side::Host, &self.config.bridge) {
            return kept.clone();
        }
        let filtering = self.config.filters_vlans().then_some(true);
        let kind = LinkKind::Bridge { vlan_filtering: filtering };
        let mut link = Link::new(Side::Host, self.config.bridge.clone(), kind);
        link.up = Some(true);
        link.promiscuous = self.config.promiscuous.then_some(true);
        match &self.facts.bridge {
            Some(found) if found.is_ours() => (link.mac, link.mtu, link.group) = (found.mac, found.mtu, found.group),
            Some(found) => link.mac = found.mac,
            None => {
                link.mac = Some(Mac::derived(&["bridge", &self.facts.machine, self.config.bridge.as_str()]));
                link.mtu = self.mtu();
                link.group = Some(GROUP);
            }
        }
        link.mtu = link.mtu.filter(|_| self.sizes_bridge);
        link
    }

    fn shared(&self, bridge: &Link, vlan_gateway: Option<&LinkName>) -> Vec<Object> {
        let mut shared: Vec<Object> = self.programs().map(Object::Program).collect();
        if self.kept.is_empty() {
            shared.extend(self.on_host(bridge, vlan_gateway));
        }
        shared
    }

    /// The programs that this attachment has elements of.
    fn programs(&self) -> impl Iterator<Item = Program> {
        let families = self.config.families(!self.addresses.is_empty());
        families.map(|family| Program { family, version: family.version() })
    }

    /// The bridge and what is on it.
    fn on_host(&self, bridge: &Link, vlan_gateway: Option<&LinkName>) -> Vec<Object> {
        let host =
            |path: SysctlPath, value: &str| Object::Sysctl(Sysctl { side: Side::Host, path, value: value.to_owned() });
        let mut shared = vec![Object::Link(bridge.clone())];
        if self.facts.ipv6 {
            shared.push(host(SysctlPath::of_link("ipv6", &self.config.bridge, "accept_ra"), "0"));
        }
        if !self.config.gateway {
            return shared;
        }
        if let (Some(gateway), Some(port)) = (vlan_gateway, &self.config.gateway_port) {
            shared.extend(self.vlan_pair(gateway, port));
        }
        let link = vlan_gateway.unwrap_or(&self.config.bridge);
        for assigned in self.addresses {
            let Some(address) = addresses::gateway_network(assigned) else { continue };
            shared.push(Object::Address(Address {
                side: Side::Host,
                link: link.clone(),
                address,
                detect_duplicates: false,
                deprecated: false,
            }));
            shared.extend(attach::forwarding(link, address));
        }
        shared
    }

    /// The host's own way into the VLAN: a pair of which one end is a port of the bridge, the other holds the gateways. The
    /// port names the other: only that end is a port as soon as it is made, which VLANs need.
    fn vlan_pair(&self, gateway: &LinkName, port: &LinkName) -> Vec<Object> {
        let peer = Some((Side::Host, gateway.clone()));
        let up = Some(true);
        let held = Link::new(Side::Host, gateway.clone(), LinkKind::Veth { peer: None });
        let ours = Link { group: Some(GROUP), mtu: self.mtu(), up, ..held };
        let port = Link {
            group: Some(GROUP),
            mtu: self.mtu(),
            port: Some(Port { bridge: self.config.bridge.clone(), hairpin: None, isolated: None }),
            up,
            ..Link::new(Side::Host, port.clone(), LinkKind::Veth { peer })
        };
        let mut objects = self.vlans(&port.name);
        objects.extend([Object::Link(ours), Object::Link(port)]);
        objects
    }

    /// The pair as this network has it.
    fn pair(&self, mtu: Option<Mtu>) -> Pair {
        let mut pair = Pair::of(self.id, self.addresses, self.config.mac, mtu);
        pair.host.link_local = self.facts.ipv6.then_some(false);
        pair.host.port = Some(Port {
            bridge: self.config.bridge.clone(),
            hairpin: Some(self.config.hairpin),
            isolated: Some(self.config.port_isolation),
        });
        pair.container.link_local = self.is_ipv4_alone().then_some(false);
        pair.container.up = Some(!self.config.disable_container_interface);
        pair
    }

    fn in_container(&self) -> Vec<Object> {
        let detect_duplicates = self.config.detect_duplicates;
        let (ifname, addresses, routes) = (&self.id.ifname, self.addresses, self.routes);
        let inside = Inside { ifname, addresses, routes, subnet: Subnet::OnLink, detect_duplicates };
        let mut objects = Vec::new();
        // Of addresses that others give, as on a link without IPAM, nobody knows that they are unique.
        if !addresses.is_empty() {
            objects.push(inside.parameter("ipv4", "arp_notify", "1"));
        }
        if self.facts.ipv6 && detect_duplicates {
            objects.push(inside.parameter("ipv6", "accept_dad", "1"));
            objects.push(inside.parameter("ipv6", "enhanced_dad", "1"));
        } else if self.facts.ipv6 && !addresses.is_empty() {
            objects.push(inside.parameter("ipv6", "accept_dad", "0"));
        }
        objects.extend(inside.objects());
        objects
    }

    fn vlans(&self, port: &LinkName) -> Vec<Object> {
        let vlan = |vid, native| Object::Vlan(Vlan { port: port.clone(), vid, pvid: native, untagged: native });
        let mut vlans: Vec<Object> = self.config.trunk.iter().map(|vid| vlan(*vid, false)).collect();
        let native = self.config.vlan.or_else(|| (!vlans.is_empty()).then_some(1));
        vlans.extend(native.map(|vid| vlan(vid, true)));
        vlans
    }

    fn masquerade(&self, vlan_gateway: Option<&LinkName>) -> Vec<Object> {
        if !self.config.masquerade {
            return vec![];
        }
        let bridge = vlan_gateway.unwrap_or(&self.config.bridge);
        let homes = || [bridge].into_iter().chain(self.elsewhere).cloned().map(Part::Link);
        inside::masquerade(self.addresses, &self.id.owner(), |assigned, part| {
            let home = if assigned.address.is_ipv4() { Set::Home4 } else { Set::Home6 };
            homes().map(|link| (home, vec![part.clone(), link])).collect()
        })
    }

    fn guard(&self, mac: Mac) -> Vec<Object> {
        if !self.config.mac_spoof_check {
            return vec![];
        }
        let port = Part::Link(self.id.host_link());
        let mut elements = vec![
            self.element(Set::Guarded, vec![port.clone()]),
            self.element(Set::Mac, vec![port.clone(), Part::Mac(mac)]),
        ];
        if !self.addresses.is_empty() {
            elements.push(self.element(Set::GuardedIp, vec![port.clone()]));
        }
        elements.extend(self.addresses.iter().map(|assigned| match assigned.address.ip() {
            IpAddr::V4(ip) => self.element(Set::Source4, vec![port.clone(), Part::Mac(mac), Part::Ipv4(ip)]),
            IpAddr::V6(ip) => self.element(Set::Source6, vec![port.clone(), Part::Mac(mac), Part::Ipv6(ip)]),
        }));
        elements
    }

    fn element(&self, set: Set, parts: Vec<Part>) -> Object {
        Object::Element(Element::of_set(set, parts, self.id.owner()))
    }
}
