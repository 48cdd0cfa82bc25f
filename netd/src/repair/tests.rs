use netd_model::{attachment::Section, object::Port, plan::plan};

use super::*;
use crate::sample;

fn web() -> Vec<Attachment> {
    vec![sample::attachment("web", "c1", "10.1.0.7"), sample::attachment("web", "c2", "10.1.0.8")]
}

/// All that repair wants for these.
fn wanted(attachments: &[Attachment]) -> State {
    let mut wanted = shared(attachments);
    wanted.extend(attachments.iter().flat_map(own));
    wanted
}

/// The host as it is when all is well.
fn intact() -> State {
    let mut state: State = web().iter().flat_map(Attachment::wanted).collect();
    state.retain(|object| object.side() == Side::Host);
    state
}

fn script(observed: &State) -> String {
    let web = web();
    let wanted = wanted(&web);
    plan(&permitted(&wanted, observed), observed).to_string()
}

fn without(mut state: State, gone: impl Fn(&Object) -> bool) -> State {
    state.retain(|object| !gone(object));
    state
}

fn change(state: &mut State, name: &str, change: impl Fn(&mut Link)) {
    let mut link = state.link(Side::Host, &name.parse().unwrap()).unwrap().clone();
    change(&mut link);
    state.insert(Object::Link(link));
}

fn veth(container: &str) -> String {
    sample::attachment("web", container, "10.1.0.7").id.host_link().to_string()
}

#[test]
fn what_is_intact_needs_no_repair() {
    assert_eq!(script(&intact()), "nothing to do\n");
}

#[test]
fn a_flushed_ruleset_is_loaded_and_filled_again() {
    let observed = without(intact(), |object| matches!(object, Object::Program(_) | Object::Element(_)));
    let expected = "\
host       nft add table inet netd # version 1
host       nft add element inet netd masquerade4 { 10.1.0.7 } # web/c1/eth0
host       nft add element inet netd masquerade4 { 10.1.0.8 } # web/c2/eth0
";
    assert_eq!(script(&observed), expected);
}

#[test]
fn a_bridge_that_was_set_down_comes_up_with_its_address() {
    let mut observed = without(intact(), |object| matches!(object, Object::Address(_)));
    change(&mut observed, "br-web", |bridge| bridge.up = Some(false));
    let expected = "\
host       ip address add 10.1.0.1/24 dev br-web
host       ip link set dev br-web up
";
    assert_eq!(script(&observed), expected);
}

#[test]
fn a_deleted_bridge_is_made_again_and_its_ports_are_put_back() {
    let bridge = Key::Link(Side::Host, "br-web".parse().unwrap());
    let mut observed = without(intact(), |object| object.key() == bridge || object.carrier() == Some(bridge.clone()));
    for container in ["c1", "c2"] {
        change(&mut observed, &veth(container), |link| link.port = None);
    }
    let expected = format!(
        "\
host       ip link add dev br-web address 02:00:00:00:00:01 group netd type bridge
host       ip address add 10.1.0.1/24 dev br-web
host       ip link set dev br-web up
host       ip link set dev {} master br-web hairpin on
host       ip link set dev {} master br-web hairpin on
",
        veth("c1").min(veth("c2")),
        veth("c1").max(veth("c2")),
    );
    assert_eq!(script(&observed), expected);
}

#[test]
fn a_port_is_put_back_as_a_later_plugin_changed_it() {
    let mut attachment = sample::attachment("web", "c1", "10.1.0.7");
    let end = attachment.wanted().link(Side::Host, &veth("c1").parse().unwrap()).unwrap().clone();
    let isolated = Port { hairpin: None, isolated: Some(true), ..end.port.clone().unwrap() };
    let bare = Link::new(Side::Host, end.name.clone(), end.kind.bare());
    let changed = [Object::Link(Link { port: Some(isolated), ..bare })].into_iter().collect();
    attachment.sections.insert("later".to_owned(), Box::new(Section { changed, ..Section::default() }));
    let mut observed = intact();
    change(&mut observed, &veth("c1"), |link| link.port = None);
    let plan = plan(&permitted(&wanted(&[attachment]), &observed), &observed);
    let expected = format!("host       ip link set dev {} master br-web hairpin on isolated on\n", end.name);
    assert_eq!(plan.to_string(), expected);
}

#[test]
fn a_port_that_was_set_down_or_changed_is_left_alone() {
    let mut observed = intact();
    change(&mut observed, &veth("c1"), |link| {
        link.up = Some(false);
        link.port = link.port.clone().map(|port| Port { hairpin: Some(false), ..port });
    });
    observed.remove(&Key::Sysctl(Side::Host, format!("net/ipv6/conf/{}/disable_ipv6", veth("c1")).parse().unwrap()));
    assert_eq!(script(&observed), "nothing to do\n");
}

#[test]
fn a_veth_that_is_gone_is_not_made_again() {
    let gone = veth("c1");
    assert_eq!(
        script(&without(intact(), |object| matches!(object, Object::Link(link) if link.name.as_str() == gone))),
        "nothing to do\n"
    );
}

#[test]
fn a_veth_that_is_somebody_elses_by_now_is_left_alone() {
    let mut observed = intact();
    change(&mut observed, &veth("c1"), |link| {
        link.port = None;
        link.alias = Some("web/other/eth0".to_owned());
    });
    assert_eq!(script(&observed), "nothing to do\n");
}

#[test]
fn a_foreign_bridge_that_took_the_name_of_ours_is_left_alone() {
    let mut observed = without(intact(), |object| matches!(object, Object::Address(_)));
    change(&mut observed, "br-web", |bridge| {
        bridge.group = Some(0);
        bridge.up = Some(false);
    });
    change(&mut observed, &veth("c1"), |link| link.port = None);
    assert_eq!(script(&observed), "nothing to do\n");
}

#[test]
fn nothing_of_a_bridge_that_was_found_is_wanted() {
    let mut found = sample::attachment("web", "c1", "10.1.0.7");
    let section = found.sections.get_mut("bridge").unwrap();
    change(&mut section.shared, "br-web", |bridge| bridge.group = None);
    let found = [found];
    let wanted = wanted(&found).iter().map(|object| format!("{:?}", object.key())).collect::<Vec<_>>();
    assert!(!wanted.iter().any(|key| key.contains("br-web") || key.contains("veth")), "{wanted:#?}");
    assert!(wanted.iter().any(|key| key.contains("Masquerade4")), "{wanted:#?}");
}

#[test]
fn a_port_is_put_back_into_a_bridge_that_nobody_recorded_once_it_is_there_and_ours() {
    let mut recorded = sample::attachment("web", "c1", "10.1.0.7");
    recorded.sections.get_mut("bridge").unwrap().shared = State::default();
    let wanted = own(&recorded);
    let put_back = |observed: &State| plan(&permitted(&wanted, observed), observed).to_string();
    let mut observed = intact();
    change(&mut observed, &veth("c1"), |link| link.port = None);
    let port = format!("host       ip link set dev {} master br-web hairpin on\n", veth("c1"));
    assert_eq!(put_back(&observed), port);
    change(&mut observed, "br-web", |bridge| bridge.group = Some(0));
    assert_eq!(put_back(&observed), "nothing to do\n");
    observed.remove(&Key::Link(Side::Host, "br-web".parse().unwrap()));
    assert_eq!(put_back(&observed), "nothing to do\n");
}

#[test]
fn nothing_in_a_container_is_wanted() {
    assert!(wanted(&web()).iter().all(|object| object.side() == Side::Host));
}

#[test]
fn a_program_newer_than_ours_is_not_asked_for() {
    let mut newer = sample::attachment("web", "c1", "10.1.0.7");
    let program = Program { family: netd_model::element::Family::Inet, version: 999 };
    newer.sections.get_mut("bridge").unwrap().shared.insert(Object::Program(program));
    let shared = shared(&[newer]);
    let found = shared.iter().find_map(|object| match object {
        Object::Program(program) => Some(program.version),
        _ => None,
    });
    assert_eq!(found, Some(program.family.version()));
}

#[test]
fn a_document_without_what_is_in_the_container_is_repaired_as_the_whole() {
    let whole = web();
    let kept: Vec<Attachment> = whole.iter().cloned().map(of_host).collect();
    assert_ne!(kept, whole);
    assert_eq!(wanted(&kept), wanted(&whole));
    assert_eq!(
        kept.iter().map(Attachment::host_link).collect::<Vec<_>>(),
        whole.iter().map(Attachment::host_link).collect::<Vec<_>>()
    );
}

/// `c1`, of which what it sends is held back.
fn held_back() -> Attachment {
    let mut attachment = sample::attachment("web", "c1", "10.1.0.7");
    let (veth, ifb) = (veth("c1"), attachment.id.ifb(netd_model::object::Direction::Egress));
    let own = serde_json::json!([
        {"object": "link", "side": "host", "name": ifb, "kind": "ifb", "group": netd_model::object::GROUP,
         "alias": attachment.id.owner(), "up": true},
        {"object": "qdisc", "side": "host", "link": ifb, "kind": {"tbf": {"rate": 1000, "limit": 35, "buffer": 156_250}}},
        {"object": "qdisc", "side": "host", "link": veth, "kind": "ingress"},
        {"object": "filter", "side": "host", "link": veth, "direction": "ingress", "priority": 1, "packets": "all",
         "verdict": {"redirect": ifb}}
    ]);
    let section = serde_json::from_value(serde_json::json!({"own": own})).unwrap();
    attachment.sections.insert("bandwidth".to_owned(), section);
    attachment
}

#[test]
fn what_holds_packets_back_on_an_interface_of_ours_is_put_back() {
    let attachment = held_back();
    let ifb = attachment.id.ifb(netd_model::object::Direction::Egress);
    let wanted = wanted(std::slice::from_ref(&attachment));
    let script = |observed: &State| plan(&permitted(&wanted, observed), observed).to_string();
    let mut intact = attachment.wanted();
    intact.retain(|object| object.side() == Side::Host);
    assert_eq!(script(&intact), "nothing to do\n");
    let is_of_ifb = |object: &Object| {
        let link = Key::Link(Side::Host, ifb.clone());
        object.key() == link || object.carrier() == Some(link)
    };
    let without_ifb = without(intact.clone(), is_of_ifb);
    let expected = format!(
        "\
host       ip link add dev {ifb} group netd type ifb
host       tc qdisc add dev {ifb} root handle 1: tbf rate 8000bit burst 10 limit 35
host       ip link set dev {ifb} alias web/c1/eth0 up
"
    );
    assert_eq!(script(&without_ifb), expected);
    let without_filters = without(intact.clone(), |object| matches!(object, Object::Filter(_)));
    assert!(script(&without_filters).contains("tc filter add dev veth"));
    // The container went, and the document did not yet.
    let without_veth = |state: State| {
        let veth = Key::Link(Side::Host, veth("c1").parse().unwrap());
        without(state, |object| object.key() == veth || object.carrier() == Some(veth.clone()))
    };
    assert_eq!(script(&without_veth(without_ifb.clone())), "nothing to do\n");
    // An interface of another program has the name.
    let mut foreign = without_ifb;
    change(&mut foreign, &veth("c1"), |link| (link.group, link.alias) = (Some(0), None));
    assert_eq!(script(&foreign), "nothing to do\n");
}
