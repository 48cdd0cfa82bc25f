use std::{collections::BTreeMap, time::Duration};

use netd_model::overlay::{Mode, Overlay, Vni};

use super::{
    cluster::{Etcd, Key, Place, Static, Store, Tls},
    network::Network,
    *,
};

fn parse(text: &str, environment: Option<&str>) -> Result<Settings, String> {
    let written = toml::from_str(text).map_err(|error| error.to_string())?;
    Settings::resolve(written, environment.map(OsString::from), "m")
}

#[test]
fn nothing_said_means_the_defaults() {
    let settings = parse("", None).unwrap();
    let expected = Settings {
        run_dir: "/run/netd".into(),
        state_dir: "/var/lib/netd".into(),
        upstreams: vec![],
        upstream_ca_file: "/etc/ssl/certs/ca-certificates.crt".into(),
        split_domains: BTreeMap::new(),
        log: "info".to_owned(),
        query_log: None,
        gc: true,
        cni_conf_dir: None,
        dhcp_socket: "/run/cni/dhcp.sock".into(),
        host: Host { name: "m".parse().unwrap(), place: None, checksum_offload: None },
        cluster: Cluster { name: "default".to_owned(), store: Store::None },
        networks: Networks::default(),
    };
    assert_eq!(settings, expected);
}

#[test]
fn the_settings_in_readme_are_the_defaults_but_for_those_that_have_none() {
    let readme = include_str!("../../../README.md");
    let block = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let said = parse(block, None).unwrap();
    let log = said.query_log.as_ref().unwrap();
    assert_eq!((log.file.as_path(), log.sample.get()), (Path::new("/var/log/netd/queries.log"), 100));
    assert_eq!(said.cni_conf_dir.as_deref(), Some(Path::new("/etc/cni/net.d")));
    assert_eq!((said.upstreams.len(), said.split_domains.len()), (1, 1));
    let defaults = parse("", None).unwrap();
    let Settings { upstreams, split_domains, query_log, cni_conf_dir, .. } = defaults.clone();
    assert_eq!(Settings { upstreams, split_domains, query_log, cni_conf_dir, ..said }, defaults);
}

#[test]
fn the_run_directory_is_the_files_then_the_environments_then_the_default() {
    let run_dir = |text, environment| parse(text, environment).unwrap().run_dir;
    assert_eq!(run_dir("run_dir = '/a'", Some("/b")), Path::new("/a"));
    assert_eq!(run_dir("", Some("/b")), Path::new("/b"));
    assert_eq!(run_dir("", Some("")), Path::new("/run/netd"));
}

#[test]
fn an_upstream_is_an_address_with_or_without_a_port() {
    let text = "upstreams = ['192.0.2.53', '192.0.2.53:5353', '2001:db8::53', '[2001:db8::53]:5353']";
    let expected = ["192.0.2.53:53", "192.0.2.53:5353", "[2001:db8::53]:53", "[2001:db8::53]:5353"];
    assert_eq!(parse(text, None).unwrap().upstreams, expected.map(|address| address.parse().unwrap()));
}

#[test]
fn a_log_of_queries_is_of_each_where_nothing_else_is_said() {
    let log = |text| parse(text, None).unwrap().query_log.map(|log| (log.file, log.sample.get()));
    assert_eq!(log(""), None);
    assert_eq!(log("query_log = { file = '/q' }"), Some(("/q".into(), 1)));
    assert_eq!(log("[query_log]\nfile = '/q'\nsample = 100"), Some(("/q".into(), 100)));
}

#[test]
fn a_split_domain_has_servers_of_its_own_or_none() {
    let text = "[split_domains]\n'Corp.example.' = ['10.0.0.53', '10.0.0.54']\n'10.in-addr.arpa' = []";
    let domains = parse(text, None).unwrap().split_domains;
    let domains = domains.iter().map(|(domain, upstreams)| format!("{domain} {upstreams:?}")).collect::<Vec<_>>();
    assert_eq!(domains.len(), 2);
    assert!(domains[0].starts_with("10.in-addr.arpa []"), "{domains:?}");
    assert!(domains[1].starts_with("corp.example [") && domains[1].contains("10.0.0.54:53"), "{domains:?}");
}

#[test]
fn a_mistake_is_named_with_its_line() {
    for (bad, words) in [
        ("log = 'info'\nrun_dri = '/x'", ["line 2", "run_dri"]),
        ("\nrun_dir = 'run/netd'", ["line 2", "run/netd is not an absolute path"]),
        ("run_dir = 1", ["line 1", "run_dir"]),
        ("upstreams = ['dns.example']", ["line 1", "dns.example"]),
        ("upstreams = ['tls://192.0.2.53', '192.0.2.54']", ["line 1", "in the open"]),
        ("upstream_ca_file = 'ca.pem'", ["line 1", "ca.pem is not an absolute path"]),
        ("split_domains.'a..b' = []", ["line 1", "a..b"]),
        ("split_domains.corp = ['x']", ["line 1", "\"x\" is no address"]),
        ("split_domains.corp = ['192.0.2.53', 'tls://192.0.2.54']", ["line 1", "corp"]),
        ("split_domains.corp = []\nsplit_domains.Corp = []", ["split_domains", "twice"]),
        ("gc = 'yes'", ["line 1", "gc"]),
        ("log = 'a=b=c'", ["line 1", "a=b=c"]),
        ("[query_log]\nsample = 10", ["line 1", "missing field `file`"]),
        ("[query_log]\nfile = 'queries.log'", ["line 2", "queries.log is not an absolute path"]),
        ("[query_log]\nfile = '/q'\nsample = 0", ["line 3", "nonzero"]),
    ] {
        let error = parse(bad, None).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{bad}: {error}");
    }
}

#[test]
fn only_the_default_file_may_be_absent() {
    let error = Settings::read(Some(Path::new("/nowhere/netd.toml")), None).unwrap_err();
    assert_eq!(error.to_string(), "read settings /nowhere/netd.toml");
}

/// The settings of a file, on a machine of the name `machine`.
fn on(machine: &str, text: &str) -> Result<Settings, String> {
    let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
    Settings::resolve(written, None, machine)
}

/// A network of the overlay driver, with more keys.
fn network(name: &str, keys: &str) -> String {
    format!("[[network]]\nname = '{name}'\ndriver = 'overlay'\n{keys}\n")
}

const WHOLE: &str = r#"
[host]
name = "H1"
address = "192.168.50.1"
checksum_offload = false
[cluster]
name = "rack"
store = "static"
peers = "/etc/peers.toml"
key = "secret"
sync_port = 7
ttl = 3
[[network]]
name = "lab"
driver = "overlay"
mode = "l2"
subnet = ["10.40.0.0/16", "fd00:40::/48"]
host_prefix = [24, 64]
vni = 77
port = 8472
masquerade = false
domain = "Lab.Internal."
internal = true
mtu = 1450
direct = false
prefer_local = true
"#;

#[test]
fn every_key_of_a_cluster_is_taken() {
    let settings = on("machine", WHOLE).unwrap();
    let place = Some(Place::Address("192.168.50.1".parse().unwrap()));
    assert_eq!(settings.host, Host { name: "h1".parse().unwrap(), place, checksum_offload: Some(false) });
    let key = Some(Key::parse("key", "secret".to_owned()).unwrap());
    let ttl = Duration::from_secs(3);
    let store = Store::Static(Static { peers: "/etc/peers.toml".into(), key, sync_port: 7, ttl });
    assert_eq!(settings.cluster, Cluster { name: "rack".to_owned(), store });
    let overlay = Overlay {
        name: "lab".parse().unwrap(),
        mode: Mode::L2,
        subnets: vec!["10.40.0.0/16".parse().unwrap(), "fd00:40::/48".parse().unwrap()],
        vni: 77.try_into().unwrap(),
        port: 8472,
        masquerade: false,
        domain: Some("lab.internal".parse().unwrap()),
        internal: true,
    };
    let lab = Network {
        overlay,
        host_prefix: vec![24, 64],
        mtu: Some(1450.try_into().unwrap()),
        direct: false,
        prefer_local: true,
    };
    assert_eq!(settings.networks, Networks { usable: vec![lab], refused: vec![] });
}

#[test]
fn a_cluster_has_defaults() {
    let text =
        "[cluster]\nstore = 'static'\n".to_owned() + &network("lab", "subnet = ['10.40.0.0/16', 'fd00:40::/48']");
    let settings = on("Machine.example", &text).unwrap();
    assert_eq!(settings.host, Host { name: "machine.example".parse().unwrap(), place: None, checksum_offload: None });
    let ttl = Duration::from_secs(15);
    let of_hosts = Static { peers: "/etc/netd/peers.toml".into(), key: None, sync_port: 7790, ttl };
    assert_eq!(settings.cluster, Cluster { name: "default".to_owned(), store: Store::Static(of_hosts) });
    let lab = settings.networks.usable.first().unwrap();
    assert_eq!((lab.overlay.mode, lab.direct, lab.prefer_local), (Mode::Routed, false, false));
    assert_eq!((lab.overlay.vni, lab.overlay.port), (Vni::of_network("default", "lab"), 4789));
    assert_eq!((lab.overlay.masquerade, lab.overlay.internal, &lab.overlay.domain), (true, false, &None));
    assert_eq!((&lab.host_prefix, lab.mtu), (&vec![24, 64], None));
}

#[test]
fn a_cluster_in_etcd_needs_to_know_where_that_is() {
    let etcd =
        |keys: &str| on("m", &format!("[cluster]\nstore = 'etcd'\n{keys}")).map(|settings| settings.cluster.store);
    let plain = Etcd {
        endpoints: vec!["192.0.2.9:2379".parse().unwrap()],
        tls: None,
        user: None,
        ttl: Duration::from_secs(15),
        lease_retention: Duration::from_hours(24),
    };
    assert_eq!(etcd("endpoints = ['http://192.0.2.9:2379']"), Ok(Store::Etcd(plain.clone())));
    let all = "endpoints = ['https://192.0.2.9:2379/', 'https://[2001:db8::9]:1']\nuser = 'u'\npassword = 'p'\nttl = 3
               lease_retention = 60\nca_file = '/ca'\ncert_file = '/cert'\nkey_file = '/key'";
    let expected = Etcd {
        endpoints: vec!["192.0.2.9:2379".parse().unwrap(), "[2001:db8::9]:1".parse().unwrap()],
        tls: Some(Tls { ca: Some("/ca".into()), own: Some(("/cert".into(), "/key".into())) }),
        user: Some(("u".to_owned(), Key::parse("password", "p".to_owned()).unwrap())),
        ttl: Duration::from_secs(3),
        lease_retention: Duration::from_mins(1),
    };
    assert_eq!(etcd(all), Ok(Store::Etcd(expected)));
    let http = "endpoints = ['http://192.0.2.9:2379']\n";
    for (bad, words) in [
        (String::new(), "cluster.endpoints names no member of etcd"),
        ("endpoints = []".to_owned(), "cluster.endpoints names no member of etcd"),
        ("endpoints = ['http://192.0.2.9:1', 'https://192.0.2.9:1']".to_owned(), "http:// and https://"),
        (format!("{http}user = 'u'"), "user and cluster.password go together"),
        (format!("{http}cert_file = '/c'"), "cert_file and cluster.key_file go together"),
        (format!("{http}ca_file = '/c'"), "are for endpoints of https://"),
        (format!("{http}lease_retention = 1"), "cluster.lease_retention is below cluster.ttl"),
    ] {
        let error = etcd(&bad).unwrap_err();
        assert!(error.contains(words), "{bad}: {error}");
    }
}

#[test]
fn a_host_is_reached_at_an_address_or_on_an_interface() {
    let interface = on("m", "[host]\ninterface = 'eth0'").unwrap().host.place;
    assert_eq!(interface, Some(Place::Interface("eth0".parse().unwrap())));
    for (bad, words) in [
        ("interface = 'eth0'\naddress = '192.0.2.1'", "host.address and host.interface"),
        ("address = '0.0.0.0'", "host.address = \"0.0.0.0\" is not the address of one host"),
        ("address = 'ff02::1'", "ff02::1"),
        ("address = 'fe80::1'", "link-local"),
        ("address = '::ffff:192.0.2.1'", "IPv4"),
    ] {
        let error = on("m", &format!("[host]\n{bad}")).unwrap_err();
        assert!(error.contains(words), "{bad}: {error}");
    }
}

#[test]
fn a_machine_without_a_usable_name_needs_one_only_in_a_cluster() {
    assert!(on("my machine", "").is_ok());
    let error = on("my machine", "[cluster]\nstore = 'static'").unwrap_err();
    assert!(error.contains("host.name") && error.contains("my machine"), "{error}");
}

#[test]
fn a_key_is_never_printed() {
    assert!(!format!("{:?}", on("m", WHOLE).unwrap()).contains("secret"));
    for (bad, words) in [
        (String::new(), "cluster.key has 0 bytes, not 1 to 256"),
        ("k".repeat(257), "cluster.key has 257 bytes, not 1 to 256"),
        ("a b".to_owned(), "cluster.key has a character that is not a visible one of ASCII"),
    ] {
        assert_eq!(on("m", &format!("[cluster]\nstore = 'static'\nkey = '{bad}'")).unwrap_err(), words);
    }
}

#[test]
fn a_mistake_in_a_cluster_is_named_with_its_line() {
    let in_network = |keys| network("lab", keys);
    for (bad, words) in [
        ("[host]\nnme = 'x'", ["line 2", "nme"]),
        ("[host]\nname = 'a b'", ["line 2", "\"a b\""]),
        ("[host]\naddress = '192.0.2'", ["line 2", "address"]),
        ("[cluster]\nname = 'a/b'", ["line 2", "cluster name \"a/b\""]),
        ("[cluster]\nendpoints = ['etcd.example:2379']", ["line 2", "not where etcd is"]),
        (
            "[cluster]\nendpoints = ['http://etcd.example:2379']",
            ["line 2", "must be an address, not a name, as in \"http://192.0.2.9:2379\""],
        ),
        (
            "[cluster]\nendpoints = ['http://192.0.2:2379']",
            ["line 2", "not where etcd is, as in \"http://192.0.2.9:2379\""],
        ),
        ("[cluster]\nstore = 'consul'", ["line 2", "store \"consul\""]),
        ("[cluster]\npeers = 'peers.toml'", ["line 2", "peers.toml is not an absolute path"]),
        ("[cluster]\nsync_port = 0", ["line 2", "port 0"]),
        ("[cluster]\nsync_port = 65536", ["line 2", "65536"]),
        ("[cluster]\nttl = 0", ["line 2", "0 is not 1 to 3600 seconds"]),
        (&in_network("subnets = []"), ["line 4", "subnets"]),
        (&in_network("mode = 'bridged'"), ["line 4", "unknown variant `bridged`, expected `routed` or `l2`"]),
        (&in_network("subnet = ['10.40.0.0/33']"), ["line 4", "subnet"]),
        (&in_network("subnet = []\nvni = 16777216"), ["line 5", "vni 16777216"]),
        (&in_network("subnet = []\nport = 0"), ["line 5", "port 0"]),
        (&in_network("subnet = []\ndomain = 'a..b'"), ["line 5", "a..b"]),
        (&in_network("subnet = []\nmtu = 67"), ["line 5", "MTU 67"]),
        ("[[network]]\nname = '../x'\ndriver = 'overlay'", ["line 2", "../x"]),
        ("[[network]]\nname = 'lab'\ndriver = 'weave'", ["line 3", "weave"]),
        ("[[network]]\nname = 'lab'\ndriver = 'overlay'", ["line 1", "subnet"]),
    ] {
        let error = on("m", bad).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{bad}: {error}");
    }
}

#[test]
fn a_network_that_cannot_be_is_refused_and_the_others_are_unharmed() {
    for (keys, words) in [
        ("subnet = []", "subnet = [] names none"),
        ("subnet = ['10.41.0.5/16']", "\"10.41.0.5/16\" is an address in a subnet: \"10.41.0.0/16\" is meant"),
        ("subnet = ['10.41.0.0/16', '10.42.0.0/16']", "\"10.42.0.0/16\" is the second of IPv4"),
        ("subnet = ['10.41.0.0/31']", "no room"),
        ("subnet = ['0.0.0.0/0']", "has no addresses of hosts"),
        ("subnet = ['224.0.0.0/8']", "has no addresses of hosts"),
        ("subnet = ['10.41.0.0/16']\nhost_prefix = []", "host_prefix = [] is not one number for each subnet"),
        ("subnet = ['10.41.0.0/16']\nhost_prefix = [15]", "host_prefix 15 is not 16 to 30 for \"10.41.0.0/16\""),
        ("subnet = ['10.41.0.0/16']\nhost_prefix = [31]", "host_prefix 31"),
        (
            "mode = 'l2'\nsubnet = ['10.41.0.0/16']\nhost_prefix = [30]",
            "host_prefix 30 is not 16 to 29 for \"10.41.0.0/16\"",
        ),
        ("mode = 'l2'\nsubnet = ['10.41.0.0/16']\ndirect = true", "direct is for mode \"routed\""),
        ("mode = 'l2'\nsubnet = ['10.41.0.0/30']", "no room: its prefix is above 29"),
        ("subnet = ['fd00::/48']\nmtu = 1279", "mtu 1279 is below 1280"),
        ("subnet = ['10.40.3.0/24']", "\"10.40.3.0/24\" overlaps \"10.40.0.0/16\" of network lab"),
        ("subnet = ['10.0.0.0/8']", "\"10.0.0.0/8\" overlaps \"10.40.0.0/16\" of network lab"),
        ("subnet = ['10.41.0.0/16']\nvni = 77", "vni 77 is that of network lab"),
        ("subnet = ['192.168.0.0/16']", "\"192.168.0.0/16\" holds host.address, \"192.168.50.1\""),
    ] {
        let text = WHOLE.to_owned() + &network("bad", keys) + &network("good", "subnet = ['10.50.0.0/16']");
        let networks = on("m", &text).unwrap().networks;
        let usable: Vec<&str> = networks.usable.iter().map(|network| network.overlay.name.as_str()).collect();
        assert_eq!(usable, ["lab", "good"], "{keys}");
        let refused: Vec<String> = networks.refused.iter().map(ToString::to_string).collect();
        let [refused] = refused.as_slice() else { panic!("{keys}: {refused:?}") };
        assert!(refused.starts_with("network bad: ") && refused.contains(words), "{keys}: {refused}");
    }
    let twice = WHOLE.to_owned() + &network("lab", "subnet = ['10.50.0.0/16']");
    let networks = on("m", &twice).unwrap().networks;
    assert_eq!(networks.usable.first().unwrap().overlay.port, 8472, "the earlier one goes on");
    assert_eq!(networks.refused.first().unwrap().to_string(), "network lab: name \"lab\" is taken by a network above");
}

#[test]
fn a_network_that_chose_nothing_is_written_so_that_who_does_not_know_the_choices_reads_it() {
    let network = |keys: &str| {
        let text = WHOLE.to_owned() + &network("web", &format!("subnet = ['10.50.0.0/16']\n{keys}"));
        on("m", &text).unwrap().networks.usable.pop().unwrap()
    };
    for (keys, written) in
        [("", false), ("direct = false\nprefer_local = false", false), ("direct = true\nprefer_local = true", true)]
    {
        let network = network(keys);
        let text = serde_json::to_value(&network).unwrap();
        for key in ["direct", "prefer_local"] {
            assert_eq!(text.get(key).is_some(), written, "{text}");
        }
        assert_eq!(serde_json::from_value::<Network>(text).unwrap(), network);
    }
}
