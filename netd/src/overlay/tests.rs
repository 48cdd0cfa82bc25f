use std::sync::Arc;

use netd_model::{
    object::Route,
    overlay::{Mode, PORT, VERSION, Vni},
    plan::{Desired, plan},
};

use super::*;

pub(super) fn member(number: u8, subnets: &[&str]) -> Member {
    Member {
        version: VERSION,
        host: format!("h{number}").parse().unwrap(),
        network: "lab".parse().unwrap(),
        vtep: [192, 168, 50, number].into(),
        mac: [2, 0, 0, 0, 0, number].try_into().unwrap(),
        subnets: subnets.iter().map(|subnet| subnet.parse().unwrap()).collect(),
        mtu: None,
    }
}

pub(super) fn ways(mtu: u32) -> Ways {
    Ways { mtu: mtu.try_into().unwrap(), on_link: BTreeMap::new(), has_ipv6: true, offloads_soundly: true }
}

/// Hosts as a network has them.
pub(super) fn of(members: impl IntoIterator<Item = Member>) -> PeerMembers {
    members.into_iter().map(|member| (member.host.clone(), Arc::new(member))).collect()
}

pub(super) fn here(subnets: &[&str]) -> Here {
    let overlay = Overlay {
        name: "lab".parse().unwrap(),
        mode: Mode::Routed,
        subnets: subnets.iter().map(|subnet| subnet.parse().unwrap()).collect(),
        vni: Vni::try_from(77).unwrap(),
        port: PORT,
        masquerade: true,
        domain: None,
        internal: false,
    };
    let peers = of([member(2, &["10.40.2.0/24", "fd40:0:0:2::/64"])]);
    let own = member(1, &["10.40.1.0/24"]);
    Here { overlay, mtu: None, direct: false, checksum_offload: None, own, peers }
}

/// What makes all of it from nothing.
fn script(here: &Here) -> String {
    let present = wanted(here, &ways(1450));
    let script = plan(&Desired { present, absent: State::default() }, &State::default()).to_string();
    let (device, bridge) = (here.overlay.device().to_string(), here.overlay.bridge().to_string());
    script.replace(&device, "DEVICE").replace(&bridge, "BRIDGE")
}

#[test]
fn a_peer_is_let_in_known_and_last_of_all_led_to() {
    let expected = "\
host       nft add table inet netd # version 10
host       nft add element inet netd vni { 4789 . 77 } # overlay lab
host       nft add element inet netd peer4 { 192.168.50.2 . 4789 . 77 } # overlay lab
host       sysctl net/ipv4/ip_forward=1
host       ip link add dev DEVICE address 02:00:00:00:00:01 mtu 1450 group netd type vxlan id 77 local 192.168.50.1 dstport 4789 nolearning
host       ip address add 10.40.1.0/32 dev DEVICE
host       ip link set dev DEVICE addrgenmode none tx on up
host       ip neighbour replace 10.40.2.0 lladdr 02:00:00:00:00:02 dev DEVICE nud permanent
host       ip neighbour replace fd40:0:0:2:: lladdr 02:00:00:00:00:02 dev DEVICE nud permanent
host       bridge fdb replace 02:00:00:00:00:02 dev DEVICE dst 192.168.50.2 self permanent
host       ip route add 10.40.2.0/24 via 10.40.2.0 dev DEVICE onlink metric 10243
host       ip route add fd40:0:0:2::/64 via fd40:0:0:2:: dev DEVICE onlink
";
    assert_eq!(script(&here(&["10.40.0.0/16"])), expected);
}

#[test]
fn hosts_of_one_link_have_a_bridge_that_floods_to_each_other() {
    let mut here = here(&["10.40.0.0/16", "fd40::/48"]);
    here.overlay.mode = Mode::L2;
    here.own = member(1, &["10.40.1.0/24", "fd40:0:0:1::/64"]);
    here.peers = of([2, 3].map(|number| member(number, &[])));
    let expected = "\
host       nft add table inet netd # version 10
host       nft add table bridge netd # version 4
host       nft add element bridge netd elsewhere { \"DEVICE\" } # overlay lab
host       nft add element bridge netd gateway4 { \"DEVICE\" . 10.40.0.1 } # overlay lab
host       nft add element bridge netd gateway6 { \"DEVICE\" . fd40::1 } # overlay lab
host       nft add element inet netd vni { 4789 . 77 } # overlay lab
host       nft add element inet netd peer4 { 192.168.50.2 . 4789 . 77 } # overlay lab
host       nft add element inet netd peer4 { 192.168.50.3 . 4789 . 77 } # overlay lab
host       sysctl net/ipv4/ip_forward=1
host       sysctl net/ipv6/conf/all/forwarding=1
host       ip link add dev BRIDGE address 02:5d:c5:cb:7d:af group netd type bridge
host       ip link add dev DEVICE address 02:00:00:00:00:01 mtu 1450 group netd master BRIDGE type vxlan id 77 local 192.168.50.1 dstport 4789 learning
host       sysctl net/ipv6/conf/BRIDGE/accept_ra=0
host       sysctl net/ipv6/conf/BRIDGE/disable_ipv6=0
host       ip address add 10.40.1.1/16 dev BRIDGE
host       ip address add fd40:0:0:1::1/48 dev BRIDGE nodad
host       ip link set dev BRIDGE up
host       ip link set dev DEVICE addrgenmode none tx on master BRIDGE hairpin off isolated off up
host       ip address add 10.40.0.1/32 dev BRIDGE
host       ip address add fd40::1/128 dev BRIDGE nodad preferred_lft 0
host       bridge fdb append 00:00:00:00:00:00 dev DEVICE dst 192.168.50.2 self permanent
host       bridge fdb append 00:00:00:00:00:00 dev DEVICE dst 192.168.50.3 self permanent
";
    assert_eq!(script(&here), expected);
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

/// What leads to the peers of a direct network, of whom `on_link` are reached without a router by `eth0`.
fn way_to_peers(here: &Here, on_link: &PeerMembers) -> String {
    let on_link = on_link.values().map(|peer| (peer.vtep, "eth0".parse().unwrap())).collect();
    let ways = Ways { on_link, ..ways(1450) };
    let mut wanted = wanted(here, &ways);
    apart_from_peers(here, &ways).keys().for_each(|key| drop(wanted.remove(key)));
    let script = plan(&Desired { present: wanted, absent: State::default() }, &State::default()).to_string();
    script.replace(here.overlay.device().as_str(), "DEVICE")
}

#[test]
fn who_is_on_the_same_link_gets_a_plain_route_in_the_families_that_can() {
    let here = Here { direct: true, ..here(&["10.40.0.0/16", "fd40::/48"]) };
    let expected = "\
host       nft add element inet netd peer4 { 192.168.50.2 . 4789 . 77 } # overlay lab
host       ip neighbour replace fd40:0:0:2:: lladdr 02:00:00:00:00:02 dev DEVICE nud permanent
host       bridge fdb replace 02:00:00:00:00:02 dev DEVICE dst 192.168.50.2 self permanent
host       ip route add 10.40.2.0/24 via 192.168.50.2 dev eth0 metric 1852142692
host       ip route add fd40:0:0:2::/64 via fd40:0:0:2:: dev DEVICE onlink
";
    assert_eq!(way_to_peers(&here, &here.peers), expected);
    let here = Here { peers: of([member(3, &["10.40.3.0/24"])]), ..here };
    let expected = "\
host       nft add element inet netd peer4 { 192.168.50.3 . 4789 . 77 } # overlay lab
host       ip route add 10.40.3.0/24 via 192.168.50.3 dev eth0 metric 1852142692
";
    assert_eq!(way_to_peers(&here, &here.peers), expected);
    assert!(
        way_to_peers(&here, &of([])).contains("ip route add 10.40.3.0/24 via 10.40.3.0 dev DEVICE onlink metric 10244")
    );
    let inside =
        apart_from_peers(&here, &ways(1450)).iter().filter(|object| format!("{object:?}").contains("Inside")).count();
    assert_eq!(inside, 2, "packets between containers keep their source");
}

#[test]
fn on_one_link_all_take_what_the_host_with_the_least_takes() {
    let mtu = |text: &str, chosen: Option<u32>, mode, of_peers: &[Option<u32>]| {
        let member = |(mtu, number): (&Option<u32>, u8)| {
            let mtu = mtu.map(|bytes| bytes.try_into().unwrap());
            Member { mtu, ..member(number, &[]) }
        };
        let here = here(&[text]);
        let overlay = Overlay { mode, ..here.overlay };
        let chosen = chosen.map(|bytes| bytes.try_into().unwrap());
        let here = Here { overlay, mtu: chosen, peers: of(of_peers.iter().zip(2..).map(member)), ..here };
        u32::from(mtu_here(&here, chosen.unwrap_or(1450.try_into().unwrap())))
    };
    let (ipv4, ipv6) = ("10.40.0.0/16", "fd40::/48");
    assert_eq!(mtu(ipv4, None, Mode::L2, &[]), 1450);
    assert_eq!(mtu(ipv4, None, Mode::L2, &[Some(8950), None]), 1450);
    assert_eq!(mtu(ipv4, None, Mode::L2, &[Some(1400), None, Some(1250)]), 1250);
    assert_eq!(mtu(ipv6, None, Mode::L2, &[Some(1400), None, Some(1250)]), 1400, "IPv6 does not cross in 1250");
    assert_eq!(mtu(ipv4, Some(1440), Mode::L2, &[Some(1400)]), 1440, "a person chose");
    assert_eq!(mtu(ipv4, None, Mode::Routed, &[Some(1400)]), 1450, "the route to that host says so");
}

#[test]
fn the_route_to_a_host_carries_its_mtu_where_that_is_smaller() {
    for (of_peer, carried) in
        [(None, ""), (Some(1400), " mtu 1400"), (Some(1450), " mtu 1450"), (Some(8950), " mtu 1450")]
    {
        let mtu = of_peer.map(|bytes: u32| bytes.try_into().unwrap());
        let here = Here { peers: of([Member { mtu, ..member(3, &["10.40.3.0/24"]) }]), ..here(&["10.40.0.0/16"]) };
        let route = format!("ip route add 10.40.3.0/24 via 10.40.3.0 dev DEVICE onlink metric 10244{carried}\n");
        assert!(way_to_peers(&here, &of([])).ends_with(&route), "{of_peer:?}");
    }
}

#[test]
fn a_route_is_ours_by_its_priority_and_only_within_the_network() {
    let overlay = here(&["10.40.0.0/16"]).overlay;
    let is_ours = |destination: &str, priority| {
        let route = routed::route("eth0".parse().unwrap(), destination.parse().unwrap(), [192, 168, 50, 2].into());
        is_direct_route_of(&overlay, &Route { priority, ..route })
    };
    assert!(is_ours("10.40.2.0/24", Some(DIRECT)));
    for (destination, priority) in
        [("10.40.2.0/24", Some(0)), ("10.41.2.0/24", Some(DIRECT)), ("10.0.0.0/8", Some(DIRECT))]
    {
        assert!(!is_ours(destination, priority), "{destination}");
    }
}

#[test]
fn a_network_of_the_store_that_cannot_be_here_is_named_and_so_not_taken_down() {
    let view = View { unusable: ["web".parse().unwrap()].into(), is_whole: true, ..View::default() };
    let overlays = Overlays::new(&Settings::parse("").unwrap(), &view);
    assert_eq!((overlays.networks, overlays.named, overlays.is_whole), (vec![], view.unusable, true));
}
