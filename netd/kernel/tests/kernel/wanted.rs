//! What the bridge plugin wants of the kernel, and what else the sets hold, as an example.

use std::net::IpAddr;

use netd_model::{
    addr::{Mac, Mtu},
    element::{Data, Element, ElementKey, Family, Part, Set, Transport},
    object::{Address, GROUP, Link, LinkKind, Object, Port, Program, Route, Side, Sysctl, SysctlPath},
};

/// What the bridge plugin wants of the host for all containers of a network.
pub(crate) fn shared() -> Vec<Object> {
    let bridge = Link {
        mac: Some("02:00:00:00:00:01".parse().unwrap()),
        mtu: Some(Mtu::try_from(1450).unwrap()),
        group: Some(GROUP),
        up: Some(true),
        ..Link::new(Side::Host, "br-web".parse().unwrap(), LinkKind::Bridge { vlan_filtering: None })
    };
    let gateway = |address: &str| {
        let (link, address) = (bridge.name.clone(), address.parse().unwrap());
        Object::Address(Address { side: Side::Host, link, address, detect_duplicates: false, deprecated: false })
    };
    let program = |family: Family| Object::Program(Program { family, version: family.version() });
    let forward = SysctlPath::of_namespace("ipv4/ip_forward");
    vec![
        program(Family::Inet),
        program(Family::Bridge),
        Object::Sysctl(Sysctl { side: Side::Host, path: forward, value: "1".to_owned() }),
        gateway("10.1.0.1/24"),
        gateway("fd00:1::1/64"),
        Object::Link(bridge),
    ]
}

/// What it wants for one container.
pub(crate) fn own() -> Vec<Object> {
    container(7)
}

/// What it wants for the container whose addresses end with `number`, from 2 to 9.
pub(crate) fn container(number: u8) -> Vec<Object> {
    let (outer, inner) = (format!("veth{number}").parse().unwrap(), "eth0".parse().unwrap());
    let (ip4, ip6) = (format!("10.1.0.{number}"), format!("fd00:1::{number}"));
    let owner = format!("web/c{number}/eth0");
    let mtu = Some(Mtu::try_from(1450).unwrap());
    let mac = mac(number);
    let host = Link {
        mac: Some(format!("02:00:00:00:00:0{number}").parse().unwrap()),
        mtu,
        group: Some(GROUP),
        alias: Some(owner.clone()),
        link_local: Some(false),
        port: Some(Port { bridge: "br-web".parse().unwrap(), hairpin: Some(true), isolated: Some(false) }),
        up: Some(true),
        ..Link::new(Side::Host, outer, LinkKind::Veth { peer: Some((Side::Container, "eth0".parse().unwrap())) })
    };
    let container = Link {
        mac: Some(mac),
        mtu,
        up: Some(true),
        ..Link::new(Side::Container, inner, LinkKind::Veth { peer: Some((Side::Host, host.name.clone())) })
    };
    let address = |address: &str| {
        let (link, address) = (container.name.clone(), address.parse().unwrap());
        Object::Address(Address { side: Side::Container, link, address, detect_duplicates: false, deprecated: false })
    };
    let route = |destination: &str, gateway: &str| {
        Object::Route(Route {
            onlink: false,
            side: Side::Container,
            link: container.name.clone(),
            destination: destination.parse().unwrap(),
            gateway: Some(gateway.parse().unwrap()),
            table: None,
            priority: None,
            scope: None,
            mtu: None,
            advmss: None,
        })
    };
    let mut wanted = vec![
        address(&format!("{ip4}/24")),
        address(&format!("{ip6}/64")),
        route("0.0.0.0/0", "10.1.0.1"),
        route("::/0", "fd00:1::1"),
        Object::Link(host),
        Object::Link(container),
    ];
    wanted.extend(elements(number));
    wanted
}

/// Of that, the elements.
pub(crate) fn elements(number: u8) -> Vec<Object> {
    let owner = format!("web/c{number}/eth0");
    let mac = Part::Mac(mac(number));
    let ip4 = Part::Ipv4(format!("10.1.0.{number}").parse().unwrap());
    let ip6 = Part::Ipv6(format!("fd00:1::{number}").parse().unwrap());
    let bridge = Part::Link("br-web".parse().unwrap());
    let port = Part::Link(format!("veth{number}").parse().unwrap());
    // A port of its own, because what comes in by it is looked at otherwise.
    let elsewhere = Part::Link(format!("ovlx{number}").parse().unwrap());
    let element = |set, parts| Object::Element(Element::of_set(set, parts, owner.clone()));
    let mut elements = published(number, &owner);
    // An interface that leads to others, and a port of others: these would hear nobody.
    let leading = Part::Link(format!("br-{number}").parse().unwrap());
    let alone = Part::Link(format!("alone{number}").parse().unwrap());
    elements.extend([
        element(Set::Masquerade4, vec![ip4.clone()]),
        element(Set::Masquerade6, vec![ip6.clone()]),
        element(Set::Home4, vec![ip4.clone(), bridge.clone()]),
        element(Set::Home6, vec![ip6.clone(), bridge]),
        element(Set::Open, vec![leading.clone()]),
        element(Set::SameBridge, vec![leading.clone(), leading.clone()]),
        element(Set::Isolated, vec![leading.clone(), leading]),
        element(Set::Alone, vec![alone]),
        element(Set::Guarded, vec![port.clone()]),
        element(Set::GuardedIp, vec![port.clone()]),
        element(Set::Mac, vec![port.clone(), mac.clone()]),
        element(Set::Source4, vec![port.clone(), mac.clone(), ip4.clone()]),
        element(Set::Source6, vec![port, mac, ip6.clone()]),
        element(Set::Elsewhere, vec![elsewhere.clone()]),
        element(Set::Gateway4, vec![elsewhere.clone(), ip4]),
        element(Set::Gateway6, vec![elsewhere, ip6]),
    ]);
    elements
}

/// Ports that are published for it.
fn published(number: u8, owner: &str) -> Vec<Object> {
    let port = |port| vec![Part::Transport(Transport::Tcp), Part::Port(port + u16::from(number))];
    let at = |address: &str| match address.parse().unwrap() {
        IpAddr::V4(address) => Part::Ipv4(address),
        IpAddr::V6(address) => Part::Ipv6(address),
    };
    let of = |set, parts, address: &str| {
        let data = Some(Data::To(format!("{address}{number}").parse().unwrap(), 80));
        Object::Element(Element { key: ElementKey { set, parts }, data, owner: owner.to_owned() })
    };
    let subnets = |subnet: &str, address: &str| {
        [subnet.to_owned(), format!("{address}{number}")].map(|text| Part::Subnet(text.parse().unwrap())).into()
    };
    let bridge = Part::Link("br-web".parse().unwrap());
    let hairpin = |set, parts| Object::Element(Element::of_set(set, parts, owner.to_owned()));
    vec![
        of(Set::Published4, port(8000), "10.1.0."),
        of(Set::Published6, port(8000), "fd00:1::"),
        of(Set::PublishedAt4, [vec![at("192.168.1.2")], port(8000)].concat(), "10.1.0."),
        of(Set::PublishedAt6, [vec![at("fd00:9::2")], port(8000)].concat(), "fd00:1::"),
        of(Set::Redirected4, [vec![bridge.clone(), at("10.1.0.1")], port(8000)].concat(), "10.1.0."),
        of(Set::Redirected6, [vec![bridge, at("fd00:1::1")], port(8000)].concat(), "fd00:1::"),
        hairpin(Set::Hairpin4, subnets("10.1.0.0/24", "10.1.0.")),
        hairpin(Set::Hairpin6, subnets("fd00:1::/64", "fd00:1::")),
    ]
}

fn mac(number: u8) -> Mac {
    format!("02:00:0a:01:00:0{number}").parse().unwrap()
}
