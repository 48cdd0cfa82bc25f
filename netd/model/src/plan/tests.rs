use std::net::IpAddr;

use super::*;
use crate::{
    attachment::AttachmentId,
    element::{Element, Family, Part, Set},
    name::LinkName,
    object::{
        Address, Direction, Filter, GROUP, Gate, Opening, Packets, Port, Program, Qdisc, Route, Side, Verdict, Vlan,
        Way,
    },
};

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

fn id() -> AttachmentId {
    AttachmentId { network: "web".parse().unwrap(), container: "c1".parse().unwrap(), ifname: name("eth0") }
}

fn bridge() -> Link {
    Link {
        mac: Some("02:00:00:00:00:01".parse().unwrap()),
        group: Some(GROUP),
        up: Some(true),
        ..Link::new(Side::Host, name("br-web"), LinkKind::Bridge { vlan_filtering: None })
    }
}

fn host_end() -> Link {
    let peer = Some((Side::Container, name("eth0")));
    Link {
        group: Some(GROUP),
        alias: Some(id().owner()),
        port: Some(Port { bridge: name("br-web"), hairpin: Some(true), isolated: None }),
        up: Some(true),
        ..Link::new(Side::Host, name("veth1"), LinkKind::Veth { peer })
    }
}

fn container_end() -> Link {
    let link = Link::new(Side::Container, name("eth0"), LinkKind::Veth { peer: None });
    Link { group: Some(GROUP), mtu: Some(1450.try_into().unwrap()), up: Some(true), ..link }
}

fn address(side: Side, link: &str, address: &str) -> Object {
    Object::Address(Address {
        side,
        link: name(link),
        address: address.parse().unwrap(),
        detect_duplicates: false,
        deprecated: false,
    })
}

fn default_route() -> Route {
    Route {
        onlink: false,
        side: Side::Container,
        link: name("eth0"),
        destination: "0.0.0.0/0".parse().unwrap(),
        gateway: Some(IpAddr::from([10, 1, 0, 1])),
        table: None,
        priority: None,
        scope: None,
        mtu: None,
        advmss: None,
    }
}

fn masquerade(owner: &str) -> Object {
    let parts = vec![Part::Ipv4([10, 1, 0, 7].into())];
    Object::Element(Element::of_set(Set::Masquerade4, parts, owner.to_owned()))
}

fn wanted() -> State {
    State::from_iter([
        Object::Link(bridge()),
        Object::Link(host_end()),
        Object::Link(container_end()),
        address(Side::Host, "br-web", "10.1.0.1/24"),
        address(Side::Container, "eth0", "10.1.0.7/24"),
        Object::Route(default_route()),
        Object::Program(Program { family: Family::Inet, version: 2 }),
        masquerade("web/c1/eth0"),
    ])
}

fn script(present: State, absent: State, observed: &State) -> String {
    plan(&Desired { present, absent }, observed).to_string()
}

#[test]
fn rules_come_before_interfaces_and_interfaces_before_what_is_on_them() {
    let expected = "\
host       nft add table inet netd # version 2
host       nft add element inet netd masquerade4 { 10.1.0.7 } # web/c1/eth0
host       ip link add dev br-web address 02:00:00:00:00:01 group netd type bridge
host       ip link add dev veth1 group netd master br-web type veth peer dev eth0 mtu 1450 group netd in container
host       ip address add 10.1.0.1/24 dev br-web
container  ip address add 10.1.0.7/24 dev eth0
host       ip link set dev br-web up
host       ip link set dev veth1 alias web/c1/eth0 master br-web hairpin on up
container  ip link set dev eth0 up
container  ip route add default via 10.1.0.1 dev eth0
";
    assert_eq!(script(wanted(), State::default(), &State::default()), expected);
}

#[test]
fn what_is_as_it_should_be_needs_no_step() {
    assert_eq!(script(wanted(), State::default(), &wanted()), "nothing to do\n");
}

#[test]
fn each_single_thing_that_is_missing_is_seen() {
    for object in wanted() {
        let mut observed = wanted();
        observed.remove(&object.key());
        assert!(!plan(&Desired { present: wanted(), absent: State::default() }, &observed).is_empty(), "{object:?}");
    }
}

#[test]
fn a_deleted_interface_takes_its_addresses_and_its_peer_along() {
    let expected = "\
host       nft delete element inet netd masquerade4 { 10.1.0.7 } # web/c1/eth0
host       ip link delete dev veth1
";
    let own: State = wanted().into_iter().filter(|object| !matches!(object, Object::Program(_))).collect();
    let own: State = own.into_iter().filter(|object| object.key() != Object::Link(bridge()).key()).collect();
    let mut absent = own;
    absent.remove(&address(Side::Host, "br-web", "10.1.0.1/24").key());
    assert_eq!(script(State::default(), absent, &wanted()), expected);
}

#[test]
fn what_another_owns_is_not_deleted() {
    let other = |object: Object| match object {
        Object::Link(link) => Object::Link(Link { alias: Some("web/c2/eth0".to_owned()), ..link }),
        Object::Element(element) => Object::Element(Element { owner: "web/c2/eth0".to_owned(), ..element }),
        object => object,
    };
    for ours in [Object::Link(host_end()), masquerade("web/c1/eth0")] {
        let observed = State::from_iter([other(ours.clone())]);
        assert_eq!(script(State::default(), State::from_iter([ours]), &observed), "nothing to do\n");
    }
    let foreign = Link { group: Some(0), alias: None, ..host_end() };
    let observed = State::from_iter([Object::Link(foreign)]);
    assert_eq!(script(State::default(), State::from_iter([Object::Link(host_end())]), &observed), "nothing to do\n");
}

#[test]
fn an_element_of_a_dead_owner_is_taken_over_in_one_go() {
    let expected = "\
host       nft delete element inet netd masquerade4 { 10.1.0.7 } # web/c0/eth0
host       nft add element inet netd masquerade4 { 10.1.0.7 } # web/c1/eth0
";
    let observed = State::from_iter([masquerade("web/c0/eth0")]);
    assert_eq!(script(State::from_iter([masquerade("web/c1/eth0")]), State::default(), &observed), expected);
}

#[test]
fn only_the_attributes_that_differ_are_set() {
    let observed = State::from_iter([Object::Link(Link { up: Some(false), ..bridge() })]);
    let present = State::from_iter([Object::Link(bridge())]);
    assert_eq!(script(present, State::default(), &observed), "host       ip link set dev br-web up\n");
}

#[test]
fn a_foreign_thing_of_that_name_is_not_taken_for_ours() {
    let foreign = Link { kind: LinkKind::Other("dummy".to_owned()), ..bridge() };
    let observed = State::from_iter([Object::Link(foreign)]);
    let text = script(State::from_iter([Object::Link(bridge())]), State::default(), &observed);
    assert!(text.starts_with("host       ip link add dev br-web"), "{text}");
}

#[test]
fn a_port_of_a_filtering_bridge_leaves_vlan_1_when_told() {
    let bridge = Link { kind: LinkKind::Bridge { vlan_filtering: Some(true) }, ..bridge() };
    let port = |vid, pvid| Object::Vlan(Vlan { port: name("veth1"), vid, pvid, untagged: pvid });
    let present = [Object::Link(bridge), Object::Link(host_end()), Object::Link(container_end()), port(100, true)];
    let text = script(present.into_iter().collect(), State::from_iter([port(1, false)]), &State::default());
    assert!(text.contains("bridge vlan delete dev veth1 vid 1"), "{text}");
    assert!(text.contains("bridge vlan add dev veth1 vid 100 pvid untagged"), "{text}");
}

#[test]
fn a_newer_program_serves_an_older_want() {
    let program = |version| State::from_iter([Object::Program(Program { family: Family::Inet, version })]);
    assert_eq!(script(program(1), State::default(), &program(2)), "nothing to do\n");
    assert_eq!(script(program(2), State::default(), &program(1)), "host       nft add table inet netd # version 2\n");
}

#[test]
fn a_document_keeps_every_object() {
    let text = serde_json::to_string(&wanted()).unwrap();
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), wanted());
}

fn qdisc(link: &str, kind: QdiscKind) -> Object {
    Object::Qdisc(Qdisc { side: Side::Host, link: name(link), kind })
}

fn filter(priority: u16, packets: Packets, verdict: Verdict) -> Object {
    let (link, direction) = (name("veth1"), Direction::Ingress);
    Object::Filter(Filter { side: Side::Host, link, direction, priority, packets, verdict })
}

#[test]
fn another_program_is_asked_when_all_else_is_done() {
    let opening = Object::Opening(Opening { gate: Gate::DockerUser4(Way::To), link: name("br-web") });
    let all = filter(1, Packets::All, Verdict::Redirect(name("ifb1")));
    let present = [opening.clone(), all.clone()].into_iter().collect();
    let steps = plan(&Desired { present, absent: State::default() }, &State::default()).steps;
    assert_eq!(steps, [Step::Add(all), Step::Add(opening)]);
}

#[test]
fn filters_are_made_again_with_the_place_that_they_went_with() {
    let all = filter(2, Packets::All, Verdict::Redirect(name("ifb1")));
    let some = filter(1, Packets::To("10.9.0.0/16".parse().unwrap()), Verdict::Pass);
    let observed: State = [qdisc("veth1", QdiscKind::Ingress), all.clone()].into_iter().collect();
    let present = |kind| [qdisc("veth1", kind), all.clone(), some.clone()].into_iter().collect();
    let expected = "\
host       tc qdisc delete dev veth1 ingress
host       tc qdisc add dev veth1 clsact
host       tc filter add dev veth1 ingress protocol ip pref 1 handle ::800 u32 match ip dst 10.9.0.0/16 flowid 1:1
host       tc filter add dev veth1 ingress protocol all pref 2 handle ::800 u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev ifb1
";
    assert_eq!(script(present(QdiscKind::Clsact), State::default(), &observed), expected);
    let more: State = [qdisc("veth1", QdiscKind::Clsact), all.clone(), some.clone()].into_iter().collect();
    assert_eq!(
        script(present(QdiscKind::Ingress), State::default(), &more),
        "nothing to do\n",
        "it has what is wanted"
    );
}

#[test]
fn a_queue_of_another_program_is_neither_replaced_nor_removed() {
    let tbf = qdisc("veth1", QdiscKind::Tbf { rate: 1000, limit: 35, buffer: 156_250 });
    let observed: State = [qdisc("veth1", QdiscKind::Other("htb".to_owned()))].into_iter().collect();
    let add = "host       tc qdisc add dev veth1 root handle 1: tbf rate 8000bit burst 10 limit 35\n";
    assert_eq!(script(State::from_iter([tbf.clone()]), State::default(), &observed), add, "which the kernel refuses");
    assert_eq!(script(State::default(), State::from_iter([tbf]), &observed), "nothing to do\n");
}
