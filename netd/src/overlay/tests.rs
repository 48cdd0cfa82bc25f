use netd_model::{
    overlay::{PORT, VERSION, Vni},
    plan::{Desired, plan},
};

use super::*;

fn member(number: u8, subnets: &[&str]) -> Member {
    Member {
        version: VERSION,
        host: format!("h{number}").parse().unwrap(),
        network: "lab".parse().unwrap(),
        vtep: [192, 168, 50, number].into(),
        mac: [2, 0, 0, 0, 0, number].try_into().unwrap(),
        subnets: subnets.iter().map(|subnet| subnet.parse().unwrap()).collect(),
    }
}

fn here(subnets: &[&str]) -> Here {
    let overlay = Overlay {
        name: "lab".parse().unwrap(),
        subnets: subnets.iter().map(|subnet| subnet.parse().unwrap()).collect(),
        vni: Vni::try_from(77).unwrap(),
        port: PORT,
        masquerade: true,
        domain: None,
        internal: false,
    };
    let peers = vec![member(2, &["10.40.2.0/24", "fd40:0:0:2::/64"])];
    Here { overlay, mtu: None, own: member(1, &["10.40.1.0/24"]), peers }
}

#[test]
fn a_peer_is_let_in_known_and_last_of_all_led_to() {
    let wanted = wanted(&here(&["10.40.0.0/16"]), 1450.try_into().unwrap());
    let script = plan(&Desired { present: wanted, absent: State::default() }, &State::default()).to_string();
    let expected = "\
host       nft add table inet netd # version 1
host       nft add element inet netd vni { 4789 . 77 } # overlay lab
host       nft add element inet netd peer4 { 192.168.50.2 . 4789 . 77 } # overlay lab
host       sysctl net/ipv4/ip_forward=1
host       ip link add dev DEVICE address 02:00:00:00:00:01 mtu 1450 group netd type vxlan id 77 local 192.168.50.1 dstport 4789 nolearning
host       ip address add 10.40.1.0/32 dev DEVICE
host       ip link set dev DEVICE addrgenmode none up
host       ip neighbour replace 10.40.2.0 lladdr 02:00:00:00:00:02 dev DEVICE nud permanent
host       ip neighbour replace fd40:0:0:2:: lladdr 02:00:00:00:00:02 dev DEVICE nud permanent
host       bridge fdb replace 02:00:00:00:00:02 dev DEVICE dst 192.168.50.2 self permanent
host       ip route add 10.40.2.0/24 via 10.40.2.0 dev DEVICE onlink
host       ip route add fd40:0:0:2::/64 via fd40:0:0:2:: dev DEVICE onlink
";
    let device = here(&[]).overlay.device().to_string();
    assert_eq!(script.replace(&device, "DEVICE"), expected);
}

#[test]
fn what_crosses_is_the_underlay_less_what_is_put_around() {
    let mtu = |underlay: u32, vtep: &str, subnets: &[&str]| {
        let inside = mtu_inside(underlay.try_into().unwrap(), vtep.parse().unwrap(), &here(subnets).overlay);
        inside.map(u32::from)
    };
    assert_eq!(mtu(1500, "192.0.2.1", &["10.40.0.0/16"]), Ok(1450));
    assert_eq!(mtu(9000, "2001:db8::1", &["fd40::/48"]), Ok(8930));
    let error = mtu(1300, "192.0.2.1", &["fd40::/48"]).unwrap_err();
    assert_eq!(error, "network lab: 1250 bytes cross an underlay of 1300, IPv6 needs 1280");
    assert_eq!(mtu(1300, "192.0.2.1", &["10.40.0.0/16"]), Ok(1250));
}
