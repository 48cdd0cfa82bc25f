//! Random attachments: what a chain of plugins could want for a container.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netd_model::attachment::{AttachmentId, Section};
use netd_model::element::{Data, Element, ElementKey, Family, Part, Set, Transport};
use netd_model::name::{AdminChain, ChainName, LinkName};
use netd_model::object::{
    Address, Admin, Conditions, Direction, Filter, GROUP, Link, LinkKind, MacvlanMode, Object, Packets, Port, Program,
    Qdisc, QdiscKind, Route, Rule, Side, State, Sysctl, SysctlPath, Verdict,
};
use proptest::prelude::*;

/// Networks in a host; each has a bridge.
pub(crate) const NETWORKS: u8 = 2;

/// What may differ from one attachment to the next.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) network: u8,
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
    pub(crate) port: (Option<bool>, Option<bool>),
    pub(crate) bridge: (Option<bool>, Option<u32>),
    pub(crate) masquerade: bool,
    pub(crate) guarded: bool,
    pub(crate) route: bool,
    /// Whether each address has a routing table, as with `sbr`.
    pub(crate) ruled: bool,
    /// Whether the container has an interface on the bridge besides, and a tap.
    pub(crate) more: bool,
    /// Whether ports of the host lead to it, under conditions or without.
    pub(crate) published: Option<bool>,
    /// Whether what passes is held back on the host or in the container, and whether some of it is not.
    pub(crate) held_back: Option<(Side, bool)>,
}

pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    let flag = any::<bool>();
    let maybe = proptest::option::of(any::<bool>());
    let mtu = proptest::option::of(prop_oneof![Just(1400), Just(1500)]);
    let held_back = (prop_oneof![Just(Side::Host), Just(Side::Container)], flag);
    let others = (flag, flag, (maybe.clone(), proptest::option::of(held_back)));
    (0..NETWORKS, (flag, flag), (maybe.clone(), maybe.clone()), (maybe, mtu), (flag, flag, flag), others).prop_map(
        |(network, (ipv4, ipv6), port, bridge, (masquerade, guarded, route), (ruled, more, (published, held_back)))| {
            Shape { network, ipv4, ipv6, port, bridge, masquerade, guarded, route, ruled, more, published, held_back }
        },
    )
}

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

/// `eth0` of a container, in one network or the other.
pub(crate) fn id(container: u8, shape: &Shape) -> AttachmentId {
    AttachmentId {
        network: format!("net{}", shape.network).parse().unwrap(),
        container: format!("c{container}").parse().unwrap(),
        ifname: name("eth0"),
    }
}

pub(crate) fn bridge_name(network: u8) -> LinkName {
    name(&format!("br{network}"))
}

/// What the plugins would record.
pub(crate) fn section(container: u8, shape: &Shape) -> Section {
    Section { shared: shared(shape), own: own(container, shape), ..Section::default() }
}

fn gateways(shape: &Shape) -> Vec<IpNetwork> {
    addresses(shape, 1)
}

fn addresses(shape: &Shape, last: u8) -> Vec<IpNetwork> {
    let v4 = IpNetwork::new(Ipv4Addr::new(10, shape.network, 0, last).into(), 24).unwrap();
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, shape.network.into(), 0, 0, 0, 0, last.into());
    let v6 = IpNetwork::new(v6.into(), 64).unwrap();
    [(shape.ipv4, v4), (shape.ipv6, v6)].into_iter().filter(|(is, _)| *is).map(|(_, address)| address).collect()
}

fn shared(shape: &Shape) -> State {
    let bridge = Link {
        group: Some(GROUP),
        promiscuous: shape.bridge.0,
        mtu: shape.bridge.1.map(|mtu| mtu.try_into().unwrap()),
        up: Some(true),
        ..Link::new(Side::Host, bridge_name(shape.network), LinkKind::Bridge { vlan_filtering: None })
    };
    let program = |family| Object::Program(Program { family, version: 1 });
    let forward = Sysctl { side: Side::Host, path: SysctlPath::of_namespace("ipv4/ip_forward"), value: "1".to_owned() };
    let mut state: State = gateways(shape).into_iter().map(|address| on(Side::Host, &bridge.name, address)).collect();
    state.extend([program(Family::Inet), program(Family::Bridge), Object::Sysctl(forward), Object::Link(bridge)]);
    if shape.guarded {
        state.insert(Object::Admin(Admin { chain: AdminChain::usual() }));
    }
    if shape.published == Some(true) {
        state.extend([true, false].map(|is_ipv4| Object::Conditions(conditions(shape, is_ipv4))));
    }
    state
}

/// What a network asks of packets to its ports.
fn conditions(shape: &Shape, is_ipv4: bool) -> Conditions {
    let rule = if is_ipv4 { "ip ttl > 1" } else { "ip6 hoplimit > 1" };
    let chain = ChainName::of_conditions(&[&bridge_name(shape.network).to_string(), rule]);
    Conditions { chain, rule: Some(rule.to_owned()) }
}

/// A port of the host that is the container's.
fn published(container: u8, shape: &Shape, address: IpNetwork) -> Vec<Object> {
    let is_ipv4 = address.is_ipv4();
    let (all, asked) =
        if is_ipv4 { (Set::Published4, Set::Conditional4) } else { (Set::Published6, Set::Conditional6) };
    let chain = Data::Chain(conditions(shape, is_ipv4).chain);
    let data = [(all, Data::To(address.ip(), 80))].into_iter();
    let data = data.chain((shape.published == Some(true)).then_some((asked, chain)));
    let element = |(set, data)| {
        let parts = vec![Part::Transport(Transport::Udp), Part::Port(8000 + u16::from(container))];
        let (key, owner) = (ElementKey { set, parts }, id(container, shape).owner());
        Object::Element(Element { key, data: Some(data), owner })
    };
    data.map(element).collect()
}

fn on(side: Side, link: &LinkName, address: IpNetwork) -> Object {
    Object::Address(Address { side, link: link.clone(), address, detect_duplicates: false, deprecated: false })
}

fn own(container: u8, shape: &Shape) -> State {
    let id = id(container, shape);
    let (eth0, veth) = (id.ifname.clone(), id.host_link());
    let mac = "02:00:00:00:00:07".parse().unwrap();
    let port = Port { bridge: bridge_name(shape.network), hairpin: shape.port.0, isolated: shape.port.1 };
    let host_end = Link {
        group: Some(GROUP),
        alias: Some(id.owner()),
        port: Some(port),
        link_local: Some(false),
        up: Some(true),
        ..Link::new(Side::Host, veth.clone(), LinkKind::Veth { peer: Some((Side::Container, eth0.clone())) })
    };
    let container_end = Link {
        mac: Some(mac),
        up: Some(true),
        ..Link::new(Side::Container, eth0.clone(), LinkKind::Veth { peer: None })
    };
    let notify =
        Sysctl { side: Side::Container, path: SysctlPath::of_link("ipv4", &eth0, "arp_notify"), value: "1".to_owned() };
    let mut state = State::from_iter([Object::Link(host_end), Object::Link(container_end), Object::Sysctl(notify)]);
    let addresses = addresses(shape, container + 2);
    state.extend(addresses.iter().map(|address| match on(Side::Container, &eth0, *address) {
        Object::Address(address) if is_alone(container) => Object::Point(address),
        object => object,
    }));
    if is_alone(container) {
        let near = |gateway: IpNetwork| Route { gateway: None, ..way(&eth0, gateway.ip().into(), gateway.ip()) };
        state.extend(gateways(shape).into_iter().map(near).map(Object::Route));
    }
    if shape.route {
        state.extend(gateways(shape).into_iter().map(|gateway| default_route(&eth0, gateway.ip())));
    }
    state.extend(besides(shape, &id, &addresses));
    let element = |set, parts| Object::Element(Element::of_set(set, parts, id.owner()));
    if shape.published.is_some() {
        state.extend(addresses.iter().flat_map(|address| published(container, shape, *address)));
    }
    if shape.masquerade {
        state.extend(addresses.iter().map(|address| match address.ip() {
            IpAddr::V4(v4) => element(Set::Masquerade4, vec![Part::Ipv4(v4)]),
            IpAddr::V6(v6) => element(Set::Masquerade6, vec![Part::Ipv6(v6)]),
        }));
    }
    if shape.guarded {
        state.insert(element(Set::Guarded, vec![Part::Link(veth.clone())]));
        state.insert(element(Set::Mac, vec![Part::Link(veth), Part::Mac(mac)]));
    }
    state
}

/// Whether the subnets of a container are not on its link, as with `ptp`. For one container it does not change.
fn is_alone(container: u8) -> bool {
    container.is_multiple_of(2)
}

/// What other plugins than `bridge` would want besides.
fn besides(shape: &Shape, id: &AttachmentId, addresses: &[IpNetwork]) -> State {
    let mut state = State::default();
    let eth0 = &id.ifname;
    if shape.ruled {
        for (gateway, address) in gateways(shape).into_iter().zip(addresses) {
            let table = 100 + u32::from(address.is_ipv6());
            let way = Route { table: Some(table), ..way(eth0, everywhere(gateway.ip()), gateway.ip()) };
            let source = address.ip().into();
            state.extend([Object::Rule(Rule { side: Side::Container, source, table }), Object::Route(way)]);
        }
    }
    if let Some((side, some_pass)) = shape.held_back {
        state.extend(held_back(side, some_pass, id));
    }
    if shape.more {
        let parent = Some((Side::Host, bridge_name(shape.network)));
        let on_bridge = LinkKind::Macvlan { parent, mode: Some(MacvlanMode::Bridge), queue: None };
        let held = LinkKind::Tap { owner: Some(7), group: None, multi_queue: None, context: None };
        state.extend([("mac0", on_bridge), ("tap0", held)].map(|(name_of, kind)| {
            let link = Link::new(Side::Container, name(name_of), kind);
            Object::Link(Link { group: Some(GROUP), alias: Some(id.owner()), up: Some(true), ..link })
        }));
    }
    state
}

/// What `bandwidth` would want on one end of the pair: a queue for each direction, the one of what comes in on an IFB.
fn held_back(side: Side, some_pass: bool, id: &AttachmentId) -> State {
    let link = if side == Side::Host { id.host_link() } else { id.ifname.clone() };
    let ifb = ifb(id, side);
    let queue = |link: &LinkName| {
        let kind = QdiscKind::Tbf { rate: 125_000, limit: 13_125 + u32::from(some_pass), buffer: 1_250_000 };
        Object::Qdisc(Qdisc { side, link: link.clone(), kind })
    };
    let filter = |priority, packets, verdict| {
        Object::Filter(Filter { side, link: link.clone(), direction: Direction::Ingress, priority, packets, verdict })
    };
    let kind = if some_pass { QdiscKind::Clsact } else { QdiscKind::Ingress };
    let owned =
        Link { group: Some(GROUP), alias: Some(id.owner()), link_local: Some(false), up: Some(true), ..ifb.clone() };
    let mut state = State::from_iter([queue(&link), queue(&ifb.name), Object::Link(owned)]);
    state.insert(Object::Qdisc(Qdisc { side, link: link.clone(), kind }));
    if some_pass {
        state.insert(filter(1, Packets::To("10.9.0.0/16".parse().unwrap()), Verdict::Pass));
    }
    state.insert(filter(1 + u16::from(some_pass), Packets::All, Verdict::Redirect(ifb.name)));
    state
}

/// The IFB of an attachment.
pub(crate) fn ifb(id: &AttachmentId, side: Side) -> Link {
    Link::new(side, id.ifb(Direction::Ingress), LinkKind::Ifb)
}

fn default_route(link: &LinkName, gateway: IpAddr) -> Object {
    Object::Route(way(link, everywhere(gateway), gateway))
}

fn everywhere(like: IpAddr) -> IpNetwork {
    if like.is_ipv4() { "0.0.0.0/0" } else { "::/0" }.parse().unwrap()
}

fn way(link: &LinkName, destination: IpNetwork, gateway: IpAddr) -> Route {
    Route {
        onlink: false,
        side: Side::Container,
        link: link.clone(),
        destination,
        gateway: Some(gateway),
        table: None,
        priority: None,
        scope: None,
        mtu: None,
        advmss: None,
    }
}
