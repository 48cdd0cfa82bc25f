use super::*;

const H1: &str = "[[peer]]\nname = 'h1'\naddress = '192.0.2.1'\nsubnets = { lab = ['10.40.1.0/24'] }\n";

#[track_caller]
fn peers(text: &str) -> Peers {
    Peers::parse(text, &Peers::default()).unwrap()
}

/// The names of the hosts and how many networks each is in.
fn names(peers: &Peers) -> Vec<(&str, usize)> {
    peers.hosts.values().map(|host| (host.name.as_str(), host.subnets.len())).collect()
}

#[test]
fn a_file_names_all_hosts_and_their_parts_of_networks() {
    let text = H1.to_owned()
        + "[[peer]]\nname = 'H2.'\naddress = '2001:db8::2'\n\
           [peer.subnets]\nlab = ['10.40.2.0/24', 'fd00:40:2::/64']\ndb = ['10.50.2.0/24']\n\
           [[peer]]\nname = 'h3'\naddress = '192.0.2.3'\n";
    let Peers { hosts, errors } = peers(&text);
    assert_eq!(errors, Vec::<String>::new());
    let subnets = |list: &[&str]| list.iter().map(|subnet| subnet.parse().unwrap()).collect::<Vec<IpNetwork>>();
    let host = |name: &str, address: &str, networks: &[(&str, &[&str])]| Host {
        name: name.parse().unwrap(),
        address: address.parse().unwrap(),
        subnets: networks.iter().map(|(name, list)| (name.parse().unwrap(), subnets(list))).collect(),
    };
    let expected = [
        host("h1", "192.0.2.1", &[("lab", &["10.40.1.0/24"])]),
        host("h2", "2001:db8::2", &[("lab", &["10.40.2.0/24", "fd00:40:2::/64"]), ("db", &["10.50.2.0/24"])]),
        host("h3", "192.0.2.3", &[]),
    ];
    assert_eq!(hosts.into_values().collect::<Vec<_>>(), expected);
    assert_eq!(peers(""), Peers::default());
}

#[test]
fn a_bad_entry_is_left_out_with_its_line_and_the_others_are_unharmed() {
    for (bad, words) in [
        ("name = 'h2'", ["line 5", "address"]),
        ("address = '192.0.2.2'", ["line 5", "name"]),
        ("name = 'h2'\naddress = '192.0.2'", ["line 7: address \"192.0.2\" is no IP address", ""]),
        ("name = 'h 2'\naddress = '192.0.2.2'", ["line 6", "h 2"]),
        ("name = 2\naddress = '192.0.2.2'", ["line 6", "string"]),
        ("name = 'h2'\naddress = '192.0.2.2'\nport = 1", ["line 8", "port"]),
        ("name = 'h2'\naddress = '0.0.0.0'", ["peer h2", "\"0.0.0.0\" is not the address of one host"]),
        ("name = 'h2'\naddress = 'fe80::2'", ["peer h2", "link-local"]),
        ("name = 'h2'\naddress = '192.0.2.2'\nsubnets = ['10.40.2.0/24']", ["line 8", "map"]),
        ("name = 'h1'\naddress = '192.0.2.2'", ["line 5: peer h1", "name \"h1\" is taken by another peer"]),
        ("name = 'h2'\naddress = '192.0.2.1'", ["line 5: peer h2", "address \"192.0.2.1\" is that of peer h1"]),
    ] {
        let text = format!("{H1}[[peer]]\n{bad}\n[[peer]]\nname = 'h3'\naddress = '192.0.2.3'\n");
        let peers = peers(&text);
        assert_eq!(names(&peers), [("h1", 1), ("h3", 0)], "{bad}");
        let [error] = peers.errors.as_slice() else { panic!("{bad}: {:?}", peers.errors) };
        assert!(words.iter().all(|word| error.contains(word)), "{bad}: {error}");
    }
}

#[test]
fn bad_subnets_cost_one_network_of_one_host() {
    for (bad, words) in [
        ("'../x' = ['10.40.2.0/24']", "\"../x\""),
        ("lab = []", "names none"),
        ("lab = ['10.40.2.0']", "\"10.40.2.0\" is not a subnet"),
        ("lab = ['10.40.2.1/24']", "\"10.40.2.1/24\" is an address in a subnet: \"10.40.2.0/24\" is meant"),
        ("lab = ['10.40.2.0/24', '10.40.3.0/24']", "\"10.40.3.0/24\" is the second of IPv4"),
        ("lab = ['10.40.1.0/24']", "\"10.40.1.0/24\" overlaps \"10.40.1.0/24\" of peer h1 in network lab"),
        ("lab = ['10.40.0.0/16']", "\"10.40.0.0/16\" overlaps \"10.40.1.0/24\" of peer h1 in network lab"),
        ("db = ['10.40.1.128/25']", "\"10.40.1.128/25\" overlaps \"10.40.1.0/24\" of peer h1 in network lab"),
        ("good = ['10.50.2.0/24']", "\"10.50.2.0/24\" overlaps \"10.50.2.0/24\" of peer h2 in network fine"),
    ] {
        let text =
            format!("{H1}[[peer]]\nname = 'h2'\naddress = '192.0.2.2'\nsubnets = {{ fine = ['10.50.2.0/24'], {bad} }}");
        let peers = peers(&text);
        assert_eq!(names(&peers), [("h1", 1), ("h2", 1)], "{bad}");
        let [error] = peers.errors.as_slice() else { panic!("{bad}: {:?}", peers.errors) };
        assert!(error.starts_with("line 5: peer h2: subnets of ") && error.contains(words), "{bad}: {error}");
    }
}

#[test]
fn what_is_no_peers_file_is_an_error() {
    for (bad, words) in [
        ("[[peer]\nname = 'h1'", "line 1"),
        ("[peer]\nname = 'h1'", "line 1: \"peer\""),
        ("\n[[pear]]\nname = 'h1'", "line 2: \"pear\""),
        ("peer = 1", "line 1: \"peer\""),
    ] {
        let error = Peers::parse(bad, &Peers::default()).unwrap_err();
        assert!(error.contains(words), "{bad}: {error}");
    }
}

/// The hosts with their subnets, as a file of `then` and after it one of `now` gives them.
fn after(then: &str, now: &str) -> (String, usize) {
    let file = Peers::parse(now, &peers(then)).unwrap();
    let host = |host: &Host| {
        let subnets: Vec<String> = host.subnets.values().flatten().map(ToString::to_string).collect();
        format!("{} {} {}", host.name, host.address, subnets.join(","))
    };
    (file.hosts.values().map(host).collect::<Vec<_>>().join("; "), file.errors.len())
}

#[test]
fn what_is_known_goes_before_what_is_new_and_stays_while_anything_is_wrong() {
    let then = "peer = [{ name = 'h1', address = '192.0.2.1', subnets = { lab = ['10.40.1.0/24'] } },
                        { name = 'h2', address = '192.0.2.2', subnets = { lab = ['10.40.2.0/24'] } }]";
    let all = "h1 192.0.2.1 10.40.1.0/24; h2 192.0.2.2 10.40.2.0/24";
    for (from, to, expected, errors) in [
        ("'192.0.2.2'", "'192.0.2'", all, 1),
        ("'192.0.2.2'", "'192.0.2.1'", all, 1),
        ("'10.40.2.0/24'", "'10.40.2.1/24'", all, 1),
        ("'10.40.2.0/24'", "'10.40.1.0/24'", all, 1),
        ("{ name = 'h1'", "{ name = 'h0', address = '192.0.2.1' }, { name = 'h1'", all, 1),
        (
            "{ name = 'h1'",
            "{ name = 'h0', address = '192.0.2.9', subnets = { lab = ['10.40.1.0/24'] } }, { name = 'h1'",
            "h0 192.0.2.9 ; h1 192.0.2.1 10.40.1.0/24; h2 192.0.2.2 10.40.2.0/24",
            1,
        ),
        ("'10.40.2.0/24'", "'10.40.3.0/24'", "h1 192.0.2.1 10.40.1.0/24; h2 192.0.2.2 10.40.3.0/24", 0),
        ("'192.0.2.2'", "'192.0.2.3'", "h1 192.0.2.1 10.40.1.0/24; h2 192.0.2.3 10.40.2.0/24", 0),
    ] {
        assert_eq!(after(then, &then.replace(from, to)), (expected.to_owned(), errors), "{to}");
    }
    assert_eq!(after(then, "peer = []"), (String::new(), 0));
}
