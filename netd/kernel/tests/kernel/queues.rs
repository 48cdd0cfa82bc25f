//! The law on queueing disciplines, their filters and IFBs, and what tc(8) reads of them.

use netd_kernel::Error;
use netd_model::{
    name::LinkName,
    object::{Direction, Filter, GROUP, Link, LinkKind, Object, Packets, Qdisc, QdiscKind, Side, Verdict},
    plan::{Plan, Step},
};

use crate::lab::{Lab, absent, present, sh};

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

/// A host and a container that each have `up0`.
fn lab() -> Lab {
    let lab = Lab::new();
    let script = "ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up";
    sh(script);
    lab.container.sh(script);
    lab
}

fn ifb(side: Side) -> Object {
    let link = Link::new(side, name("ifb7"), LinkKind::Ifb);
    Object::Link(Link { group: Some(GROUP), link_local: Some(false), up: Some(true), ..link })
}

fn qdisc(side: Side, link: &str, kind: QdiscKind) -> Object {
    Object::Qdisc(Qdisc { side, link: name(link), kind })
}

fn tbf(rate: u64) -> QdiscKind {
    QdiscKind::Tbf { rate, limit: 13_125, buffer: 1_250_000 }
}

fn filter(side: Side, direction: Direction, priority: u16, packets: Packets) -> Object {
    let verdict = if packets == Packets::All { Verdict::Redirect(name("ifb7")) } else { Verdict::Pass };
    Object::Filter(Filter { side, link: name("up0"), direction, priority, packets, verdict })
}

fn subnet(text: &str) -> netd_model::IpNetwork {
    text.parse().unwrap()
}

/// Everything there is: what comes in by an IFB, what leaves by a queue, both with exceptions.
fn all(side: Side) -> Vec<Object> {
    let exempt = ["10.9.0.0/16", "0.0.0.0/0", "2001:db8::/32", "2001:db8:1:2:8::/77", "::/0", "10.9.9.9/32"];
    let exempt = || exempt.into_iter().map(subnet);
    let coming = (1..).zip(exempt()).map(|(at, subnet)| filter(side, Direction::Ingress, at, Packets::From(subnet)));
    let leaving = (101..).zip(exempt()).map(|(at, subnet)| filter(side, Direction::Egress, at, Packets::To(subnet)));
    let mut all: Vec<Object> = coming.chain(leaving).collect();
    all.extend([
        ifb(side),
        qdisc(side, "ifb7", tbf(125_000)),
        qdisc(side, "up0", tbf(5_000_000_000)),
        qdisc(side, "up0", QdiscKind::Clsact),
        filter(side, Direction::Ingress, 50, Packets::All),
        filter(side, Direction::Egress, 150, Packets::All),
    ]);
    all
}

#[test]
fn all_of_it_is_made_and_removed_without_a_rest() {
    for side in [Side::Host, Side::Container] {
        let mut lab = lab();
        let before = [lab.container.sh("tc qdisc show"), sh("tc qdisc show")];
        lab.make(&present(all(side)));
        assert_eq!(lab.make(&present(all(side))), "nothing to do\n");
        let done = lab.make(&absent(all(side)));
        assert!(!done.contains("filter"), "they go with their place: {done}");
        assert_eq!([lab.container.sh("tc qdisc show"), sh("tc qdisc show")], before);
        assert_eq!(sh("ip -o link show type ifb") + &lab.container.sh("ip -o link show type ifb"), "");
    }
}

#[test]
fn another_program_reads_what_was_said() {
    let mut lab = lab();
    lab.make(&present(all(Side::Host)));
    let shown = sh("tc qdisc show dev up0; tc qdisc show dev ifb7");
    for line in [
        "qdisc tbf 1: root refcnt 3 rate 40Gbit burst 390625Kb limit 13125b",
        "qdisc clsact ffff: parent ffff:fff1",
        "qdisc tbf 1: root refcnt 2 rate 1Mbit burst 10000b lat 25ms",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let shown = sh("tc filter show dev up0 ingress; tc filter show dev up0 egress");
    for line in [
        "match 0a090000/ffff0000 at 12",
        "match 0a090000/ffff0000 at 16",
        "match 20010db8/ffffffff at 8",
        "match 00080000/fff80000 at 32",
        "match 0a090909/ffffffff at 16",
        "mirred (Egress Redirect to device ifb7) stolen",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
}

#[test]
fn what_was_changed_is_seen_and_put_back() {
    for script in [
        "tc qdisc del dev up0 root",
        "tc qdisc replace dev up0 root handle 1: tbf rate 1mbit burst 10k latency 25ms",
        "tc qdisc del dev up0 clsact",
        "tc qdisc del dev up0 clsact; tc qdisc add dev up0 ingress",
        "tc qdisc del dev ifb7 root",
        "ip link set ifb7 down",
        "ip link del ifb7",
        "tc filter del dev up0 ingress pref 50",
        "tc filter del dev up0 egress pref 102",
        "tc filter del dev up0 ingress pref 3; tc filter add dev up0 ingress pref 3 protocol ip handle ::800 u32 \
         match ip dst 10.9.0.0/16 flowid 1:1",
        "tc filter del dev up0 ingress pref 50; tc filter add dev up0 ingress pref 50 protocol all handle ::800 u32 \
         match u32 0 0 flowid 1:1 action mirred egress redirect dev up1",
    ] {
        let mut lab = lab();
        lab.make(&present(all(Side::Host)));
        sh(script);
        assert_ne!(lab.make(&present(all(Side::Host))), "nothing to do\n", "{script}");
    }
}

#[test]
fn the_queue_of_another_stays() {
    let mut lab = lab();
    sh("tc qdisc add dev up0 root handle 7: htb; tc qdisc add dev up0 clsact");
    let wanted = qdisc(Side::Host, "up0", tbf(125_000));
    let refused = lab.kernel.apply(&Plan { steps: vec![Step::Add(wanted.clone())] }).unwrap_err();
    assert!(refused.is_exists(), "{refused:?}");
    lab.make(&absent([wanted, qdisc(Side::Host, "up0", QdiscKind::Ingress)]));
    let shown = sh("tc qdisc show dev up0");
    assert!(shown.contains("qdisc htb 7: root") && shown.contains("clsact"), "{shown}");
}

#[test]
fn a_kind_that_the_kernel_lacks_is_named() {
    let mut lab = lab();
    let unknown = qdisc(Side::Host, "up0", QdiscKind::Other("nosuch".to_owned()));
    let refused = lab.kernel.apply(&Plan { steps: vec![Step::Add(unknown)] }).unwrap_err();
    assert!(matches!(refused, Error::MissingFeature { .. }), "{refused:?}");
}
