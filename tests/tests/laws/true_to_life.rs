//! The kernel in memory and the real one take the same steps: the same are refused, and the same is left.
//!
//! A step prints as a command; here it is run as one.

use netd_model::element::{Element, Family, Part, Set};
use netd_model::name::LinkName;
use netd_model::object::{Address, Key, Link, LinkKind, Object, Place, Port, Program, Route, Side, Sysctl, SysctlPath};
use netd_model::plan::Step;
use tests::memory_kernel::MemoryKernel;
use tests::{Container, Host, Lab, Node, eventually};

use std::time::Duration;

pub(super) fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

fn bridge(up: bool) -> Step {
    let kind = LinkKind::Bridge { vlan_filtering: None };
    let link = Link::new(Side::Host, name("br0"), kind);
    if up { Step::Set(Link { up: Some(true), ..link }) } else { Step::Add(Object::Link(link)) }
}

pub(super) fn pair(host: &str, bridge: Option<&str>) -> Step {
    let port = bridge.map(|bridge| Port { bridge: name(bridge), hairpin: None, isolated: None });
    let peer = Some((Side::Container, name("eth0")));
    let host_end = Link { port, ..Link::new(Side::Host, name(host), LinkKind::Veth { peer }) };
    let eth0 = Link::new(Side::Container, name("eth0"), LinkKind::Veth { peer: None });
    Step::AddPair(host_end, eth0)
}

fn eth0(up: bool) -> Step {
    let link = Link::new(Side::Container, name("eth0"), LinkKind::Veth { peer: None });
    Step::Set(Link { up: Some(up), ..link })
}

fn address(side: Side, link: &str, text: &str) -> Object {
    Object::Address(Address {
        side,
        link: name(link),
        address: text.parse().unwrap(),
        detect_duplicates: false,
        deprecated: false,
    })
}

pub(super) fn route(destination: &str, gateway: Option<&str>) -> Step {
    Step::Add(Object::Route(Route {
        onlink: false,
        side: Side::Container,
        link: name("eth0"),
        destination: destination.parse().unwrap(),
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        table: None,
        priority: None,
        scope: None,
        mtu: None,
        advmss: None,
    }))
}

fn element() -> Object {
    let parts = vec![Part::Ipv4([10, 1, 0, 7].into())];
    Object::Element(Element::of_set(Set::Masquerade4, parts, "net/c0/eth0".to_owned()))
}

pub(super) fn program() -> Object {
    Object::Program(Program { family: Family::Inet, version: 1 })
}

fn notify(link: &str) -> Step {
    let path = SysctlPath::of_link("ipv4", &name(link), "arp_notify");
    Step::Add(Object::Sysctl(Sysctl { side: Side::Container, path, value: "1".to_owned() }))
}

/// A pair that is up at both ends.
pub(super) fn connected() -> Vec<Step> {
    let host_end = Link::new(Side::Host, name("veth0"), LinkKind::Veth { peer: None });
    vec![pair("veth0", None), Step::Set(Link { up: Some(true), ..host_end }), eth0(true)]
}

/// Runs a step as the command that it prints; whether it succeeded.
fn really(host: &Host, container: &Container, step: &Step) -> bool {
    let text = step.to_string();
    let (side, command) = text.split_once(char::is_whitespace).unwrap();
    let command = command.split(" # ").next().unwrap().trim();
    // What stands on an interface of the host is made from there.
    let of_host = matches!(step, Step::Add(Object::Link(link)) if link.kind.parent().is_some());
    let node: &Node = if side == "host" || of_host { host } else { container };
    let script = match step {
        Step::AddPair(..) => {
            command.replace(" in container", &format!(" netns {}", container.pid())).replace(" in host", "")
        }
        // The real program has more sets; these are enough here.
        Step::Add(Object::Program(program)) => {
            let sets: &[_] = match program.family {
                Family::Inet => &["masquerade4 { type ipv4_addr\\; }"],
                Family::Bridge => &["elsewhere { type ifname\\; }", "gateway4 { type ifname . ipv4_addr\\; }"],
            };
            let add = |set: &&str| format!("; nft add set {} netd {set}", program.family.word());
            let map = match program.family {
                Family::Inet => {
                    "; nft add map inet netd conditional4 { type inet_proto . inet_service : verdict\\; }
                    nft add chain inet netd translate; nft add chain inet netd admin"
                }
                Family::Bridge => "",
            };
            command.to_owned() + &sets.iter().map(add).collect::<String>() + map
        }
        Step::Add(Object::Link(link)) if link.kind.parent().is_some() => {
            let there = format!("dev {} netns {}", link.name, container.pid());
            command.replace(" in host", "").replace(&format!("dev {}", link.name), &there)
        }
        Step::Add(Object::Moved(_)) => command.replace("netns container", &format!("netns {}", container.pid())),
        Step::Delete(Object::Moved(moved)) => {
            let [there, here] = [container, &**host].map(Node::pid);
            let mark = &moved.mark;
            let altname = format!("ip link property del dev {} altname {mark}", moved.home);
            format!("nsenter -t {there} -n {} && {altname}", command.replace("netns host", &format!("netns {here}")))
        }
        // nft(8) adds without EXCL, and creates with it.
        Step::Add(Object::Element(_)) => command.replace("nft add", "nft create"),
        Step::Add(Object::Sysctl(sysctl)) => format!("echo {} > /proc/sys/{}", sysctl.value, sysctl.path),
        _ => command.to_owned(),
    };
    node.run_script(&format!("{script} 2>/dev/null")).success()
}

/// Whether the thing is there; a sysctl, whether it has another value than in the beginning.
fn is_there(host: &Host, container: &Container, key: &Key) -> bool {
    let node = |side: &Side| -> &Node { if *side == Side::Host { host } else { container } };
    match key {
        Key::Link(side, link) => !node(side).link(link.as_str()).is_null(),
        Key::Address(side, link, address) => node(side).addresses(link.as_str()).contains(&address.to_string()),
        Key::Route(side, link, destination, ..) => {
            let family = if destination.is_ipv4() { "-4" } else { "-6" };
            let shown = node(side).run(&format!("ip {family} route show exact {destination} dev {link} proto boot"));
            !shown.stdout.trim().is_empty()
        }
        Key::Element(element) => {
            let (family, set) = (element.set.family().word(), element.set.name());
            host.run_script(&format!("nft get element {family} netd {set} {{ {element} }} 2>/dev/null")).success()
        }
        Key::Conditions(chain) => {
            host.run_script(&format!("nft list chain inet netd {chain} 2>/dev/null")).stdout.contains("goto")
        }
        Key::Admin(chain) => {
            host.run_script("nft list chain inet netd admin 2>/dev/null").stdout.contains(&format!("jump {chain}\n"))
        }
        Key::Program(family) => {
            host.run_script(&format!("nft list table {} netd 2>/dev/null", family.word())).success()
        }
        Key::Sysctl(side, path) => node(side).sysctl(path.as_str()).is_some_and(|value| value != "0"),
        Key::Neighbour(link, address) => {
            host.run(&format!("ip neigh show {address} dev {link} nud permanent")).stdout.contains("lladdr")
        }
        Key::Fdb(link, mac, destination) => {
            let mac = mac.map_or_else(|| "00:00:00:00:00:00".to_owned(), |mac| mac.to_string());
            host.run(&format!("bridge fdb show dev {link}")).stdout.contains(&format!("{mac} dst {destination} "))
        }
        Key::Rule(side, source, table) => {
            let family = if source.is_ipv4() { "-4" } else { "-6" };
            let shown = node(side).run(&format!("ip {family} rule show from {source} table {table}"));
            !shown.stdout.trim().is_empty()
        }
        Key::Moved(mark) => container.run(&format!("ip link show dev {mark}")).success(),
        Key::Vlan(..) | Key::Opening(..) => panic!("not tried here"),
        Key::Qdisc(side, link, place) => {
            let word = if *place == Place::Root { "qdisc tbf" } else { "parent ffff:fff1" };
            node(side).run(&format!("tc qdisc show dev {link}")).stdout.contains(word)
        }
        Key::Filter(side, link, direction, priority) => {
            let shown = node(side).run(&format!("tc filter show dev {link} {} pref {priority}", direction.word()));
            shown.stdout.contains("::800 order")
        }
    }
}

fn is_there_in_memory(kernel: &MemoryKernel, key: &Key) -> bool {
    kernel.observe(0, [key]).iter().any(|object| !matches!(object, Object::Sysctl(sysctl) if sysctl.value == "0"))
}

/// Takes `steps` in both kernels; the step at each index of `refused` is refused, all others are not.
#[track_caller]
pub(super) fn check(steps: &[Step], refused: &[usize], left: &[Object], gone: &[Object]) {
    let lab = Lab::bare();
    let host = lab.host("a");
    let container = host.container("c0");
    let mut kernel = MemoryKernel::new(1);
    for (index, step) in steps.iter().enumerate() {
        let expected = !refused.contains(&index);
        let in_memory = kernel.take(0, step);
        assert_eq!(in_memory.is_ok(), expected, "in memory {step}: {in_memory:?}");
        assert_eq!(really(&host, &container, step), expected, "in the kernel {step}");
    }
    for (objects, expected) in [(left, true), (gone, false)] {
        for key in objects.iter().map(Object::key) {
            assert_eq!(is_there_in_memory(&kernel, &key), expected, "in memory {key:?}");
            eventually(Duration::from_secs(2), || is_there(&host, &container, &key) == expected);
        }
    }
    host.sh("for link in veth0 veth1 ifb7; do ip link del $link 2>/dev/null || true; done");
}

pub(super) fn object(step: &Step) -> Object {
    match step {
        Step::Add(object) | Step::Delete(object) => object.clone(),
        Step::Set(link) | Step::AddPair(link, _) => Object::Link(link.clone()),
    }
}

pub(super) fn end(side: Side, text: &str) -> Object {
    Object::Link(Link::new(side, name(text), LinkKind::Veth { peer: None }))
}

#[test]
fn a_second_link_of_a_name_is_refused() {
    check(&[bridge(false), bridge(false)], &[1], &[object(&bridge(false))], &[]);
}

#[test]
fn a_pair_of_which_one_end_is_there_makes_no_other() {
    check(&[pair("veth0", None), pair("veth1", None)], &[1], &[end(Side::Host, "veth0")], &[end(Side::Host, "veth1")]);
}

#[test]
fn a_port_of_a_missing_bridge_is_refused() {
    check(&[pair("veth0", Some("br0"))], &[0], &[], &[end(Side::Host, "veth0"), end(Side::Container, "eth0")]);
}

#[test]
fn a_missing_link_takes_no_address_route_or_change() {
    let address = Step::Add(address(Side::Container, "eth0", "10.1.0.7/24"));
    check(&[address, route("10.2.0.0/24", None), eth0(true), notify("eth0")], &[0, 1, 2, 3], &[], &[]);
}

#[test]
fn an_address_is_there_once() {
    for text in ["10.1.0.7/24", "2001:db8::7/64"] {
        let address = address(Side::Container, "eth0", text);
        let mut steps = connected();
        steps.extend([Step::Add(address.clone()), Step::Add(address.clone())]);
        check(&steps, &[4], &[address], &[]);
    }
}

#[test]
fn a_route_needs_an_interface_that_is_up_and_a_gateway_that_is_near() {
    for (own, destination, gateway) in
        [("10.1.0.7/24", "0.0.0.0/0", "10.1.0.1"), ("2001:db8::7/64", "2001:db8:9::/64", "2001:db8::1")]
    {
        let mut steps = vec![pair("veth0", None), route(destination, Some(gateway))];
        steps.extend(connected().into_iter().skip(1));
        let late = steps.len();
        steps.push(route(destination, Some(gateway)));
        steps.push(Step::Add(address(Side::Container, "eth0", own)));
        steps.extend([route(destination, Some(gateway)), route(destination, Some(gateway))]);
        check(&steps, &[1, late, late + 3], &[object(&route(destination, Some(gateway)))], &[]);
    }
}

#[test]
fn a_link_that_goes_down_keeps_its_ipv4_addresses_alone() {
    let [v4, v6] = ["10.1.0.7/24", "2001:db8::7/64"].map(|text| address(Side::Container, "eth0", text));
    let [route4, route6] = [route("10.2.0.0/24", Some("10.1.0.1")), route("2001:db8:9::/64", Some("2001:db8::1"))];
    let mut steps = connected();
    steps.extend([Step::Add(v4.clone()), Step::Add(v6.clone()), route4.clone(), route6.clone(), eth0(false)]);
    check(&steps, &[], &[v4], &[v6, object(&route4), object(&route6)]);
}

#[test]
fn with_the_last_ipv4_address_go_the_routes() {
    let v4 = address(Side::Container, "eth0", "10.1.0.7/24");
    let far = route("10.2.0.0/24", Some("10.1.0.1"));
    let mut steps = connected();
    steps.extend([Step::Add(v4.clone()), far.clone(), Step::Delete(v4.clone())]);
    check(&steps, &[], &[], &[v4, object(&far)]);
}

#[test]
fn a_link_takes_along_what_is_on_it_and_its_other_end() {
    let v4 = address(Side::Container, "eth0", "10.1.0.7/24");
    let far = route("10.2.0.0/24", Some("10.1.0.1"));
    let mut steps = connected();
    steps.extend([Step::Add(v4.clone()), far.clone(), notify("eth0"), Step::Delete(end(Side::Host, "veth0"))]);
    check(&steps, &[], &[], &[v4, object(&far), end(Side::Host, "veth0"), end(Side::Container, "eth0")]);
}

#[test]
fn a_link_that_is_made_again_has_forgotten_its_sysctls() {
    let steps = [pair("veth0", None), notify("eth0"), Step::Delete(end(Side::Host, "veth0")), pair("veth0", None)];
    check(&steps, &[], &[end(Side::Container, "eth0")], &[object(&notify("eth0"))]);
}

#[test]
fn ports_outlive_their_bridge() {
    let steps = [bridge(false), bridge(true), pair("veth0", Some("br0")), Step::Delete(object(&bridge(false)))];
    check(&steps, &[], &[end(Side::Host, "veth0"), end(Side::Container, "eth0")], &[object(&bridge(false))]);
}

#[test]
fn an_element_is_there_once_and_goes_with_its_program() {
    let steps = [Step::Add(element()), Step::Add(program()), Step::Add(element()), Step::Add(element())];
    check(&steps, &[0, 3], &[element(), program()], &[]);
    let steps = [Step::Add(program()), Step::Add(element()), Step::Delete(program())];
    check(&steps, &[], &[], &[element(), program()]);
}

#[test]
fn the_end_of_a_namespace_ends_the_pairs_that_reach_into_it() {
    let lab = Lab::bare();
    let host = lab.host("a");
    let container = host.container("c0");
    assert!(really(&host, &container, &pair("veth0", None)));
    container.vanish();
    eventually(Duration::from_secs(5), || host.link("veth0").is_null());
    let mut kernel = MemoryKernel::new(1);
    kernel.take(0, &pair("veth0", None)).unwrap();
    kernel.vanish(0);
    assert!(kernel.host().is_empty());
}
