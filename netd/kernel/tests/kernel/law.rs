//! The law: after `apply(plan(d, observe()))`, `plan(d, observe())` is empty.

use crate::{
    lab::{Lab, absent, present, sh},
    wanted::{own, shared},
};

#[test]
fn a_container_on_a_bridge_is_made_and_removed_without_a_rest() {
    let mut lab = Lab::new();
    let done = lab.make(&present(shared().into_iter().chain(own())));
    assert!(done.contains("type veth peer dev eth0"), "{done}");
    assert_eq!(lab.make(&present(shared().into_iter().chain(own()))), "nothing to do\n");
    assert!(lab.container.sh("ip route").contains("default via 10.1.0.1 dev eth0"));
    lab.container.sh("ping -c1 -w10 10.1.0.1 && ping -c1 -w10 fd00:1::1");

    lab.make(&absent(own()));
    assert_eq!(sh("ip -o link show type veth"), "");
    assert!(!sh("nft list ruleset").contains("elements"));
    assert_eq!(lab.make(&present(shared())), "nothing to do\n");
}
