//! The crate rtnetlink as a witness: it shares no code with our encoders, so where both say the same of interfaces,
//! addresses and routes, it is what the kernel has.

mod make;
mod nft;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use ipnetwork::IpNetwork;
use netd_model::{
    addr::{Mac, Mtu},
    name::LinkName,
    object::{Address, GROUP, Key, Link, LinkKind, Object, Port, Route, Side, State},
    overlay::Vni,
};
use rtnetlink::{
    Error, Handle, RouteMessageBuilder,
    packet_route::{
        AddressFamily,
        address::{AddressAttribute, AddressMessage},
        link::{
            AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData,
            InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
        },
        route::{
            RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType, RouteVia,
        },
    },
};

use crate::{
    lab::{Lab, present, sh},
    wanted::{container, shared},
};

/// All that the crate reads in one namespace.
struct Witness {
    side: Side,
    links: Vec<LinkMessage>,
    addresses: Vec<AddressMessage>,
    routes: Vec<RouteMessage>,
}

/// Gives `work` a connection of the crate in the thread's namespace.
#[track_caller]
fn ask<T>(work: impl AsyncFnOnce(Handle) -> Result<T, Error>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        work(handle).await.unwrap()
    })
}

impl Witness {
    /// Of the thread's namespace.
    fn read(side: Side) -> Self {
        ask(async |handle: Handle| {
            let [v4, v6] = [
                RouteMessageBuilder::<Ipv4Addr>::new().table_id(0).build(),
                RouteMessageBuilder::<Ipv6Addr>::new().table_id(0).build(),
            ];
            let mut routes: Vec<RouteMessage> = handle.route().get(v4).execute().try_collect().await?;
            routes.extend(handle.route().get(v6).execute().try_collect::<Vec<_>>().await?);
            Ok(Self {
                side,
                links: handle.link().get().execute().try_collect().await?,
                addresses: handle.address().get().execute().try_collect().await?,
                routes,
            })
        })
    }

    /// Everything; `other` is the other namespace, where the other ends of pairs may be.
    fn state(&self, other: &Self) -> State {
        let mut state = State::default();
        for message in &self.links {
            let (link, index) = (self.link(message, other), message.header.index);
            let side = self.side;
            state.extend(self.addresses_of(index).into_iter().map(|address| {
                let link = link.name.clone();
                Object::Address(Address { side, link, address, detect_duplicates: false, deprecated: false })
            }));
            state.extend(self.routes_of(&link.name, index).into_iter().map(Object::Route));
            state.insert(Object::Link(link));
        }
        state
    }

    fn link(&self, message: &LinkMessage, other: &Self) -> Link {
        let flag = |flag| Some(message.header.flags.contains(flag));
        let mut link = Link {
            up: flag(LinkFlags::Up),
            promiscuous: flag(LinkFlags::Promisc),
            all_multicast: flag(LinkFlags::Allmulti),
            link_local: Some(false),
            ..Link::new(self.side, name_of(message), LinkKind::Other(String::new()))
        };
        let attributes = &message.attributes;
        // rtnetlink does not say it, and a new device of VXLAN does it.
        let is_vxlan = |attribute: &LinkAttribute| format!("{attribute:?}").contains("Vxlan");
        link.checksum_offload = attributes.iter().any(is_vxlan).then_some(true);
        let is_elsewhere = attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::LinkNetNsId(_)));
        let mut peer = None;
        for attribute in attributes {
            match attribute {
                LinkAttribute::Address(bytes) => {
                    link.mac = bytes.as_slice().try_into().ok().and_then(|bytes: [u8; 6]| Mac::try_from(bytes).ok());
                }
                LinkAttribute::Mtu(mtu) => link.mtu = Mtu::try_from(*mtu).ok(),
                LinkAttribute::TxQueueLen(length) => link.queue_length = Some(*length),
                LinkAttribute::Group(group) => link.group = Some(*group),
                LinkAttribute::IfAlias(alias) => link.alias = Some(alias.clone()),
                LinkAttribute::Controller(index) => {
                    let bridge = self.name(*index).unwrap();
                    link.port = Some(Port { bridge, hairpin: None, isolated: None });
                }
                LinkAttribute::Link(index) => {
                    let there = if is_elsewhere { other } else { self };
                    peer = there.name(*index).map(|name| (there.side, name));
                }
                LinkAttribute::AfSpecUnspec(families) => link.link_local = Some(has_link_local(families)),
                _ => {}
            }
        }
        for info in attributes.iter().filter_map(infos).flatten() {
            tell(&mut link, info, peer.as_ref());
        }
        if message.header.link_layer_type == LinkLayerType::Loopback {
            link.kind = LinkKind::Loopback;
        }
        link
    }

    /// Without those that the kernel gives by itself, and when it likes.
    fn addresses_of(&self, index: u32) -> Vec<IpNetwork> {
        let of_link = self.addresses.iter().filter(|message| message.header.index == index);
        let networks = of_link.map(|message| {
            let local = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(address) => Some(*address),
                _ => None,
            });
            let address = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            });
            IpNetwork::new(local.or(address).unwrap(), message.header.prefix_len).unwrap()
        });
        sorted(networks)
    }

    /// Without those that the kernel makes by itself.
    fn routes_of(&self, link: &LinkName, index: u32) -> Vec<Route> {
        let leaves = |message: &&RouteMessage| {
            let header = &message.header;
            let by_us = header.protocol != RouteProtocol::Kernel && header.kind == RouteType::Unicast;
            by_us && message.attributes.contains(&RouteAttribute::Oif(index))
        };
        self.routes.iter().filter(leaves).map(|message| route(self.side, link, message)).collect()
    }

    fn name(&self, index: u32) -> Option<LinkName> {
        self.links.iter().find(|message| message.header.index == index).map(name_of)
    }
}

fn name_of(message: &LinkMessage) -> LinkName {
    let name = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name),
        _ => None,
    });
    name.unwrap().parse().unwrap()
}

fn infos(attribute: &LinkAttribute) -> Option<&Vec<LinkInfo>> {
    match attribute {
        LinkAttribute::LinkInfo(infos) => Some(infos),
        _ => None,
    }
}

/// Adds what one of the attributes of its kind says of an interface.
fn tell(link: &mut Link, info: &LinkInfo, peer: Option<&(Side, LinkName)>) {
    match info {
        LinkInfo::Kind(InfoKind::Bridge) => link.kind = LinkKind::Bridge { vlan_filtering: Some(false) },
        LinkInfo::Kind(InfoKind::Veth) => link.kind = LinkKind::Veth { peer: peer.cloned() },
        LinkInfo::Kind(InfoKind::Ifb) => link.kind = LinkKind::Ifb,
        LinkInfo::Kind(kind) => link.kind = LinkKind::Other(kind.to_string()),
        LinkInfo::Data(InfoData::Bridge(data)) if data.contains(&InfoBridge::VlanFiltering(true)) => {
            link.kind = LinkKind::Bridge { vlan_filtering: Some(true) };
        }
        LinkInfo::Data(InfoData::Vxlan(data)) => link.kind = vxlan(data),
        LinkInfo::PortData(InfoPortData::BridgePort(data)) => {
            let port = link.port.as_mut().unwrap();
            for flag in data {
                match flag {
                    InfoBridgePort::HairpinMode(is_on) => port.hairpin = Some(*is_on),
                    InfoBridgePort::Isolated(is_on) => port.isolated = Some(*is_on),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn vxlan(data: &[InfoVxlan]) -> LinkKind {
    let (mut vni, mut local, mut port, mut learning) = (None, None, None, None);
    for attribute in data {
        match attribute {
            InfoVxlan::Id(number) => vni = Vni::try_from(*number).ok(),
            InfoVxlan::Local(address) => local = Some((*address).into()),
            InfoVxlan::Local6(address) => local = Some((*address).into()),
            InfoVxlan::Port(number) => port = Some(*number),
            InfoVxlan::Learning(is_on) => learning = Some(*is_on),
            _ => {}
        }
    }
    LinkKind::Vxlan { vni, local, port, learning }
}

fn has_link_local(families: &[AfSpecUnspec]) -> bool {
    let of_inet6 = families.iter().find_map(|family| match family {
        AfSpecUnspec::Inet6(attributes) => Some(attributes),
        _ => None,
    });
    of_inet6.is_some_and(|attributes| !attributes.contains(&AfSpecInet6::AddrGenMode(In6AddrGenMode::None)))
}

fn route(side: Side, link: &LinkName, message: &RouteMessage) -> Route {
    let (header, link) = (&message.header, link.clone());
    let is_ipv4 = header.address_family == AddressFamily::Inet;
    let any = if is_ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let network = |address| IpNetwork::new(address, header.destination_prefix_length).unwrap();
    let (destination, scope, table) = (network(any), Some(u8::from(header.scope)), Some(header.table.into()));
    let (gateway, priority, mtu, advmss) = (None, Some(0), None, None);
    let mut route = Route { onlink: false, side, link, destination, gateway, table, priority, scope, mtu, advmss };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => route.destination = network(ip(address)),
            RouteAttribute::Gateway(address) => route.gateway = Some(ip(address)),
            RouteAttribute::Via(RouteVia::Inet6(address)) => route.gateway = Some((*address).into()),
            RouteAttribute::Table(table) => route.table = Some(*table),
            RouteAttribute::Priority(priority) => route.priority = Some(*priority),
            RouteAttribute::Metrics(metrics) => {
                for metric in metrics {
                    match metric {
                        RouteMetric::Mtu(mtu) => route.mtu = Some(*mtu),
                        RouteMetric::Advmss(bytes) => route.advmss = Some(*bytes),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    route
}

fn ip(address: &RouteAddress) -> IpAddr {
    match address {
        RouteAddress::Inet(address) => (*address).into(),
        RouteAddress::Inet6(address) => (*address).into(),
        other => panic!("{other:?}"),
    }
}

/// Without link-local addresses: the kernel gives them when it likes, perhaps between two questions.
fn sorted(networks: impl IntoIterator<Item = IpNetwork>) -> Vec<IpNetwork> {
    let is_asked = |network: &IpNetwork| !matches!(network.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local());
    let mut networks: Vec<_> = networks.into_iter().filter(is_asked).collect();
    networks.sort();
    networks
}

/// Whatever the crate sees in either namespace, we see, with the same attributes, and nothing more. Gives all that.
#[track_caller]
fn agree(lab: &mut Lab) -> State {
    let host = Witness::read(Side::Host);
    let container = lab.container.run(|| Witness::read(Side::Container));
    let mut said = host.state(&container);
    said.extend(container.state(&host));
    let keys: Vec<Key> = said.keys().cloned().collect();
    assert_eq!(lab.kernel.observe(&keys).unwrap(), said);

    let routes = said.iter().filter(|object| matches!(object, Object::Route(_))).count();
    let mut seen = 0;
    for witness in [&host, &container] {
        for message in &witness.links {
            let (side, name) = (witness.side, name_of(message));
            let addresses = lab.kernel.addresses(side, &name).unwrap();
            assert_eq!(sorted(addresses), witness.addresses_of(message.header.index), "{name}");
            seen += lab.kernel.routes(side, &name).unwrap().len();
        }
    }
    assert_eq!(seen, routes);

    let ours = said.iter().filter_map(|object| match object {
        // Of the other end, and of checksums, a list of interfaces says nothing.
        Object::Link(link) if link.side == Side::Host && link.is_ours() => Some(match link.kind {
            LinkKind::Veth { .. } => Link { kind: LinkKind::Veth { peer: None }, ..link.clone() },
            _ => Link { checksum_offload: None, ..link.clone() },
        }),
        _ => None,
    });
    let mut found = lab.kernel.our_links().unwrap();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(found, ours.collect::<Vec<_>>());
    said
}

/// Whether it is of rtnetlink.
fn is_routed(object: &Object) -> bool {
    matches!(object, Object::Link(_) | Object::Address(_) | Object::Route(_))
}

/// What is wanted of rtnetlink for one container.
fn wanted() -> Vec<Object> {
    [shared(), container(7)].concat().into_iter().filter(is_routed).collect()
}

#[test]
fn another_crate_reads_what_we_read_of_what_we_made() {
    let mut lab = Lab::new();
    let mut wanted = wanted();
    let plain = wanted.iter().find_map(|object| match object {
        Object::Route(route) if route.destination.is_ipv4() => Some(route.clone()),
        _ => None,
    });
    let plain = plain.unwrap();
    let to = |destination: &str| Route { destination: destination.parse().unwrap(), ..plain.clone() };
    let other = Some("fd00:1::1".parse().unwrap());
    let more = [
        Route { table: Some(1000), priority: Some(7), mtu: Some(1300), ..to("10.9.0.0/16") },
        Route { gateway: None, scope: Some(RouteScope::Link.into()), advmss: Some(1200), ..to("10.8.0.0/16") },
        Route { gateway: other, ..to("10.6.0.0/16") },
        Route { gateway: other, table: Some(100), mtu: Some(1300), ..to("fd00:9::/64") },
    ];
    wanted.extend(more.map(Object::Route));
    lab.make(&present(wanted.clone()));
    sh("ip link add ifb7 mtu 1300 type ifb && ip link add one type veth peer name two");
    // Of a kind that we do not know.
    sh("ip link add stranger link one mtu 1300 type macvtap");
    let said = agree(&mut lab);
    let missing: Vec<_> = wanted.iter().filter(|object| said.find(&object.key()).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn another_crate_reads_what_we_read_of_the_port_by_which_a_bridge_goes_on() {
    let mut lab = Lab::new();
    let bridge = Link::new(Side::Host, "br-lab".parse().unwrap(), LinkKind::Bridge { vlan_filtering: None });
    let port = Port { bridge: bridge.name.clone(), hairpin: Some(false), isolated: Some(false) };
    let device = |name: &str, number: u32, local: &str, learning| {
        let (vni, local) = (Vni::try_from(number).ok(), local.parse().ok());
        let kind = LinkKind::Vxlan { vni, local, port: Some(4789), learning: Some(learning) };
        let port = learning.then(|| port.clone());
        let (group, link_local) = (Some(GROUP), Some(false));
        Link { group, link_local, port, up: Some(true), ..Link::new(Side::Host, name.parse().unwrap(), kind) }
    };
    let devices = [device("ovlx1", 1, "192.168.50.1", true), device("ovlx2", 2, "fd50::1", false)];
    lab.make(&present([bridge].into_iter().chain(devices.clone()).map(Object::Link)));
    let said = agree(&mut lab);
    for wanted in devices {
        let found = said.link(Side::Host, &wanted.name).unwrap();
        assert_eq!((&found.kind, &found.port, found.link_local), (&wanted.kind, &wanted.port, Some(false)));
    }
}
