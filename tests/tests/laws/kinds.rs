//! Interfaces other than bridges and pairs, and what else plugins make: the kernel in memory beside the real one.

use netd_model::element::{Data, Element, ElementKey, Part, Set, Transport};
use netd_model::name::{AdminChain, ChainName};
use netd_model::object::{Address, Admin, Conditions, Link, LinkKind, MacvlanMode, Moved, Object, Rule, Side};
use netd_model::plan::Step;

use super::true_to_life::{check, connected, end, name, object, pair, program, route};

fn macvlan(on: &str) -> Step {
    let parent = Some((Side::Host, name(on)));
    let kind = LinkKind::Macvlan { parent, mode: Some(MacvlanMode::Bridge), queue: None };
    Step::Add(Object::Link(Link::new(Side::Container, name("mac0"), kind)))
}

fn tap(text: &str) -> Step {
    let kind = LinkKind::Tap { owner: None, group: None, multi_queue: None, context: None };
    Step::Add(Object::Link(Link::new(Side::Container, name(text), kind)))
}

/// An address whose subnet is not on the link.
fn point(text: &str) -> Object {
    let address = text.parse().unwrap();
    let (side, link) = (Side::Container, name("eth0"));
    Object::Point(Address { side, link, address, detect_duplicates: false, deprecated: false })
}

fn rule(source: &str) -> Object {
    Object::Rule(Rule { side: Side::Container, source: source.parse().unwrap(), table: 100 })
}

/// `veth1` of the host, as `eth1` of the container.
fn moved() -> Object {
    Object::Moved(Moved {
        mark: name("netm0"),
        side: Side::Container,
        name: name("eth1"),
        home: name("veth1"),
        kind: LinkKind::Veth { peer: None },
        was_up: false,
    })
}

/// A pair of which both ends are on the host.
fn at_home() -> Step {
    let end = |text: &str, peer| Link::new(Side::Host, name(text), LinkKind::Veth { peer });
    Step::AddPair(end("veth1", Some((Side::Host, name("veth0")))), end("veth0", None))
}

#[test]
fn an_interface_on_another_needs_it_and_ends_with_it() {
    check(&[macvlan("veth0")], &[0], &[], &[object(&macvlan("veth0"))]);
    let steps = [pair("veth0", None), macvlan("veth0"), macvlan("veth0")];
    check(&steps, &[2], &[object(&macvlan("veth0"))], &[]);
    let steps = [pair("veth0", None), macvlan("veth0"), Step::Delete(end(Side::Host, "veth0"))];
    check(&steps, &[], &[], &[object(&macvlan("veth0")), end(Side::Container, "eth0")]);
}

#[test]
fn a_tap_is_there_once_and_goes_alone() {
    let steps = [tap("tap0"), tap("tap0"), tap("tap1"), Step::Delete(object(&tap("tap0")))];
    check(&steps, &[1], &[object(&tap("tap1"))], &[object(&tap("tap0"))]);
}

#[test]
fn an_address_without_its_subnet_is_no_way_to_a_router() {
    for (own, near, far) in
        [("10.1.0.7/24", "10.1.0.1/32", "10.9.0.0/16"), ("2001:db8::7/64", "2001:db8::1/128", "2001:db8:9::/64")]
    {
        let router = near.split('/').next();
        let mut steps = connected();
        let early = steps.len() + 1;
        steps.extend([Step::Add(point(own)), route(far, router), route(near, None), route(far, router)]);
        steps.push(Step::Add(point(own)));
        check(&steps, &[early, early + 3], &[point(own), object(&route(far, router))], &[]);
    }
}

#[test]
fn with_the_last_address_without_subnet_go_the_routes_of_ipv4() {
    let near = route("10.1.0.1/32", None);
    let mut steps = connected();
    steps.extend([Step::Add(point("10.1.0.7/24")), near.clone(), Step::Delete(point("10.1.0.7/24"))]);
    check(&steps, &[], &[], &[point("10.1.0.7/24"), object(&near)]);
}

#[test]
fn a_rule_stays_when_interfaces_go() {
    for source in ["10.1.0.7/32", "2001:db8::7/128"] {
        let mut steps = connected();
        steps.extend([Step::Add(rule(source)), Step::Delete(end(Side::Host, "veth0"))]);
        check(&steps, &[], &[rule(source)], &[end(Side::Container, "eth0")]);
        check(&[Step::Add(rule(source)), Step::Delete(rule(source))], &[], &[], &[rule(source)]);
    }
}

#[test]
fn an_interface_of_the_host_goes_into_a_container_and_comes_home() {
    let inside = end(Side::Container, "eth1");
    check(&[Step::Add(moved())], &[0], &[], &[moved()]);
    check(&[at_home(), Step::Add(moved())], &[], &[moved(), inside.clone()], &[end(Side::Host, "veth1")]);
    let steps = [at_home(), Step::Add(moved()), Step::Delete(moved())];
    check(&steps, &[], &[end(Side::Host, "veth1")], &[moved(), inside]);
}

#[test]
fn a_port_under_conditions_needs_their_chain_which_needs_its_program() {
    let chain = ChainName::of_conditions(&["web"]);
    let parts = vec![Part::Transport(Transport::Tcp), Part::Port(80)];
    let (key, data) = (ElementKey { set: Set::Conditional4, parts }, Some(Data::Chain(chain.clone())));
    let port = Object::Element(Element { key, data, owner: "web/c1/eth0".to_owned() });
    let rule = Some("ip ttl 7".to_owned());
    let conditions = Object::Conditions(Conditions { chain, rule });
    let add = |object: &Object| Step::Add(object.clone());
    let steps = [add(&conditions), add(&program()), add(&port), add(&conditions), add(&port), add(&port)];
    check(&steps, &[0, 2, 5], &[program(), conditions.clone(), port.clone()], &[]);
    let steps = [add(&program()), add(&conditions), add(&port), Step::Delete(program())];
    check(&steps, &[], &[], &[program(), conditions, port]);
}

#[test]
fn an_operators_chain_needs_the_program_and_goes_with_it() {
    let admin = Object::Admin(Admin { chain: AdminChain::usual() });
    let add = |object: &Object| Step::Add(object.clone());
    check(&[add(&admin), add(&program()), add(&admin)], &[0], &[program(), admin.clone()], &[]);
    check(&[add(&program()), add(&admin), Step::Delete(program())], &[], &[], &[program(), admin]);
}
