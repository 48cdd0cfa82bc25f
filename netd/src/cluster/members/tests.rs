use super::*;

const SETTINGS: &str = "
host = { name = 'h1' }
cluster = { store = 'static' }
network = [
    { name = 'lab', driver = 'overlay', subnet = ['10.40.0.0/16', 'fd00:40::/48'] },
    { name = 'db', driver = 'overlay', subnet = ['10.50.0.0/16'] },
]
";

const PEERS: &str = "
peer = [
    { name = 'h1', address = '192.0.2.1', subnets = { lab = ['10.40.1.0/24'], db = ['10.50.1.0/24'] } },
    { name = 'h2', address = '192.0.2.2', subnets = { lab = ['10.40.2.0/24', 'fd00:40:0:2::/64'] } },
    { name = 'h3', address = '192.0.2.3', subnets = { db = ['10.50.3.0/24'] } },
]
";

fn members(settings: &str, peers: &str) -> Members {
    beside(settings, peers, &Members::default())
}

fn beside(settings: &str, peers: &str, old: &Members) -> Members {
    Members::new(&Settings::parse(settings).unwrap(), &Peers::parse(peers, &Peers::default()).unwrap(), old)
}

/// `lab: h1* h2` for each network; the star is at this host.
fn text(members: &Members) -> String {
    let networks = members.networks.iter().map(|(name, network)| {
        let own = network.own.iter().map(|own| format!("{}*", own.host));
        let others = network.others.keys().map(ToString::to_string);
        format!("{name}: {}", own.chain(others).collect::<Vec<_>>().join(" "))
    });
    networks.collect::<Vec<_>>().join(", ")
}

#[test]
fn every_host_of_the_file_is_a_member_of_the_networks_that_are_here_too() {
    let members = members(SETTINGS, PEERS);
    assert_eq!(members.errors, Vec::<String>::new());
    assert_eq!(text(&members), "db: h1* h3, lab: h1* h2");
    assert_eq!(members.own, Some("192.0.2.1".parse().unwrap()));
    assert_eq!(members.others.len(), 2);
    let lab = members.networks.get(&"lab".parse().unwrap()).unwrap();
    let expected = Member {
        mtu: None,
        version: VERSION,
        host: "h2".parse().unwrap(),
        network: "lab".parse().unwrap(),
        vtep: "192.0.2.2".parse().unwrap(),
        mac: Mac::derived(&["vtep", "default", "lab", "h2"]),
        subnets: vec!["10.40.2.0/24".parse().unwrap(), "fd00:40:0:2::/64".parse().unwrap()],
    };
    assert_eq!(lab.others.values().next(), Some(&expected));
}

#[test]
fn what_does_not_go_together_costs_only_what_it_is_about() {
    for (from, to, rest, error) in [
        ("'h1', ", "'h4', ", "db: h3 h4, lab: h2 h4", "the peers file has no peer h1, which is this host"),
        ("'192.0.2.2'", "'fd00::2'", "db: h1* h3, lab: h1*", "peer h2: address \"fd00::2\" is of IPv6"),
        ("'192.0.2.2'", "'10.50.0.9'", "db: h1* h3, lab: h1*", "is in \"10.50.0.0/16\", a subnet of network db"),
        ("'192.0.2.1'", "'10.40.0.9'", "db: h3, lab: h2", "is in \"10.40.0.0/16\", a subnet of network lab"),
        (
            "10.40.2.0",
            "10.41.2.0",
            "db: h1* h3, lab: h1*",
            "\"10.41.2.0/24\" of network lab is no part of 10.40.0.0/16, fd00",
        ),
        (
            "10.40.2.0/24",
            "10.40.2.0/31",
            "db: h1* h3, lab: h1*",
            "\"10.40.2.0/31\" of network lab has no room: its prefix is above 30",
        ),
        (
            ", db = ['10.50.1.0/24']",
            "",
            "db: h3, lab: h1* h2",
            "network db: the peers file has no subnet of it for this host",
        ),
        ("db = ['10.50.1", "dbx = ['10.50.1", "db: h3, lab: h1* h2", "network dbx: the peers file has it, of peer h1"),
        (
            "db = ['10.50.3",
            "dbx = ['10.60.3.0/24'], db = ['10.50.3",
            "db: h1* h3, lab: h1* h2",
            "network dbx: the peers file has it, of peer h3, and the settings have not",
        ),
    ] {
        let members = members(SETTINGS, &PEERS.replace(from, to));
        let errors = members.errors.join("\n");
        assert!(errors.contains(error), "{to}: {errors}");
        assert_eq!(text(&members), rest, "{to}");
    }
}

#[test]
fn a_host_whose_address_is_another_in_the_settings_takes_no_part() {
    let with = |address: &str| SETTINGS.replace("'h1' }", &format!("'h1', address = '{address}' }}"));
    assert_eq!(members(&with("192.0.2.1"), PEERS).own, Some("192.0.2.1".parse().unwrap()));
    let members = members(&with("192.0.2.9"), PEERS);
    assert_eq!((members.own, text(&members).as_str()), (None, "db: h3, lab: h2"));
    let words = "peer h1: address \"192.0.2.1\" of this host is not host.address, \"192.0.2.9\"";
    assert_eq!(members.errors, [words]);
}

#[test]
fn parts_that_do_not_fit_leave_those_that_did() {
    let old = members(SETTINGS, PEERS);
    for (from, to) in [("10.40.2.0", "10.41.2.0"), ("10.40.1.0", "10.41.1.0")] {
        let members = beside(SETTINGS, &PEERS.replace(from, to), &old);
        assert_eq!((&members.networks, members.errors.len()), (&old.networks, 1), "{to}");
    }
    let moved = PEERS.replace("10.40.2.0", "10.41.2.0").replace("192.0.2.2", "192.0.2.22");
    assert_eq!(text(&beside(SETTINGS, &moved, &old)), "db: h1* h3, lab: h1*");
}

#[test]
fn a_network_that_the_settings_refuse_is_not_said_to_be_missing_in_them() {
    let members = members(&SETTINGS.replace("10.50.0.0/16", "10.40.128.0/17"), PEERS);
    assert_eq!((text(&members).as_str(), members.errors.as_slice()), ("lab: h1* h2", [].as_slice()));
}
