//! Queueing disciplines, their filters and IFBs: the kernel in memory beside the real one.

use netd_model::object::{Direction, Filter, Link, LinkKind, Object, Packets, Qdisc, QdiscKind, Side, Verdict};
use netd_model::plan::Step;

use super::true_to_life::{check, end, name, pair};

fn ifb() -> Object {
    Object::Link(Link::new(Side::Host, name("ifb7"), LinkKind::Ifb))
}

fn queue(link: &str) -> Object {
    qdisc(link, QdiscKind::Tbf { rate: 125_000, limit: 13_125, buffer: 1_250_000 })
}

fn qdisc(link: &str, kind: QdiscKind) -> Object {
    Object::Qdisc(Qdisc { side: Side::Host, link: name(link), kind })
}

fn filter(priority: u16, packets: Packets, verdict: Verdict) -> Object {
    let (link, direction) = (name("veth0"), Direction::Ingress);
    Object::Filter(Filter { side: Side::Host, link, direction, priority, packets, verdict })
}

/// To the IFB.
fn all(priority: u16) -> Object {
    filter(priority, Packets::All, Verdict::Redirect(name("ifb7")))
}

/// Adds these, then removes those.
fn steps(added: &[Object], removed: &[Object]) -> Vec<Step> {
    let added = added.iter().cloned().map(Step::Add);
    [pair("veth0", None)].into_iter().chain(added).chain(removed.iter().cloned().map(Step::Delete)).collect()
}

#[test]
fn a_missing_interface_has_no_queue_and_no_filter() {
    let missing = [queue("veth0"), qdisc("veth0", QdiscKind::Ingress), all(1)].map(Step::Add);
    check(&missing, &[0, 1, 2], &[], &[]);
}

#[test]
fn there_is_one_queue_and_one_place_for_filters() {
    for kind in [QdiscKind::Ingress, QdiscKind::Clsact] {
        let place = qdisc("veth0", kind);
        let twice = [queue("veth0"), place.clone(), queue("veth0"), place.clone(), qdisc("veth0", QdiscKind::Clsact)];
        check(&steps(&twice, &[]), &[3, 4, 5], &[queue("veth0"), place], &[]);
    }
}

#[test]
fn a_filter_needs_a_place_and_an_interface_to_lead_to() {
    let place = qdisc("veth0", QdiscKind::Ingress);
    let tried = [ifb(), all(1), place.clone(), all(1), all(1), all(2)];
    check(&steps(&tried, &[]), &[2, 5], &[all(1), all(2)], &[]);
    check(&steps(&[place, all(1)], &[]), &[2], &[], &[all(1)]);
}

#[test]
fn packets_of_any_subnet_can_be_taken() {
    let place = qdisc("veth0", QdiscKind::Clsact);
    let subnets = ["10.1.0.0/16", "0.0.0.0/0", "2001:db8::/32", "2001:db8::7/128", "::/0", "2001:db8::/65"];
    let subnets = subnets.map(|subnet| subnet.parse().unwrap());
    let both = subnets.iter().flat_map(|subnet| [Packets::From(*subnet), Packets::To(*subnet)]);
    let filters: Vec<Object> =
        (1..).zip(both).map(|(number, packets)| filter(number, packets, Verdict::Pass)).collect();
    check(&steps(&[vec![place], filters.clone()].concat(), &[]), &[], &filters, &[]);
}

#[test]
fn filters_end_with_their_place_and_that_with_its_interface() {
    for kind in [QdiscKind::Ingress, QdiscKind::Clsact] {
        let place = qdisc("veth0", kind);
        let added = [ifb(), queue("ifb7"), queue("veth0"), place.clone(), all(1), all(2)];
        check(&steps(&added, &[all(1)]), &[], &[place.clone(), all(2)], &[all(1)]);
        check(
            &steps(&added, std::slice::from_ref(&place)),
            &[],
            &[queue("veth0"), queue("ifb7")],
            &[place.clone(), all(1), all(2)],
        );
        let all_of_it = [queue("veth0"), place, all(1), all(2)];
        check(&steps(&added, &[end(Side::Host, "veth0")]), &[], &[ifb(), queue("ifb7")], &all_of_it);
    }
}

#[test]
fn a_filter_outlives_the_interface_that_it_leads_to() {
    let place = qdisc("veth0", QdiscKind::Ingress);
    let added = [ifb(), queue("ifb7"), place, all(1)];
    check(&steps(&added, &[ifb()]), &[], &[all(1)], &[ifb(), queue("ifb7")]);
    let again = [&steps(&added, &[ifb()])[..], &[Step::Add(ifb()), Step::Add(all(1))]].concat();
    check(&again, &[7], &[all(1)], &[]);
}

#[test]
fn a_queue_stays_on_an_interface_that_goes_down() {
    let down = Link { up: Some(false), ..Link::new(Side::Host, name("veth0"), LinkKind::Veth { peer: None }) };
    let mut steps = steps(&[queue("veth0"), qdisc("veth0", QdiscKind::Ingress)], &[]);
    steps.extend([true, false].map(|up| Step::Set(Link { up: Some(up), ..down.clone() })));
    check(&steps, &[], &[queue("veth0"), qdisc("veth0", QdiscKind::Ingress)], &[]);
}
