//! `host-local`: addresses, and the files that remember them.

use std::path::PathBuf;

use serde_json::{Value, json};
use tests::{Call, Host, Lab, Refusal};

use super::config::{VERSIONS, addresses, since};

/// A pool of addresses on a host; no container is needed.
pub(crate) struct Pool {
    host: Host,
    network: String,
    config: Value,
}

impl Pool {
    pub(crate) fn new(host: &Host, version: &str, ipam: &Value) -> Self {
        Self::named(host, &format!("net-{version}"), version, ipam)
    }

    pub(crate) fn named(host: &Host, network: &str, version: &str, ipam: &Value) -> Self {
        let mut ipam = ipam.clone();
        ipam["type"] = "host-local".into();
        let config = json!({"cniVersion": version, "name": network, "type": "anything", "ipam": ipam});
        Self { host: host.clone(), network: network.to_owned(), config }
    }

    /// The same network with more at the top level, such as `args` or `runtimeConfig`.
    pub(crate) fn with(&self, keys: &Value) -> Self {
        let config = super::config::with(self.config.clone(), keys);
        Self { host: self.host.clone(), network: self.network.clone(), config }
    }

    pub(crate) fn call(&self, command: &str, container: &str, ifname: &str) -> Call {
        let call = self.host.call("host-local", command).config(&self.config);
        call.env("CNI_CONTAINERID", container).env("CNI_IFNAME", ifname).env("CNI_NETNS", "/proc/1/ns/none")
    }

    pub(crate) fn run(&self, command: &str, container: &str) -> Result<Value, Refusal> {
        self.call(command, container, "eth0").run().answer()
    }

    /// The addresses that ADD gives, without the prefix.
    #[track_caller]
    pub(crate) fn add(&self, container: &str) -> Vec<String> {
        let result = self.run("ADD", container).unwrap_or_else(|refusal| panic!("{container}: {refusal:#?}"));
        addresses(&result).into_iter().map(|address| address.split('/').next().unwrap().to_owned()).collect()
    }

    #[track_caller]
    pub(crate) fn del(&self, container: &str) {
        assert_eq!(self.run("DEL", container), Ok(Value::Null), "{container}");
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.host.leases(&self.network).join(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.file(name)).ok()
    }

    /// Puts a file where the reference plugin would have put it.
    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.host.leases(&self.network)).unwrap();
        std::fs::write(self.file(name), text).unwrap();
    }
}

fn two_families() -> Value {
    json!({
        "ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "10.2.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]],
        "routes": [
            {"dst": "0.0.0.0/0"},
            {"dst": "::/0"},
            {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
            {"dst": "2001:db8:2::0/64", "gw": "2001:db8:3::1"}
        ]
    })
}

#[test]
fn a_lease_is_a_file_named_by_its_address() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        let pool = Pool::named(&host, &format!("net{version}"), version, &two_families());
        let result = pool.run("ADD", "dummy").unwrap();
        assert_eq!(addresses(&result), ["10.1.2.2/24", "2001:db8:1::2/64"]);
        if since(version, "0.3.0") {
            assert_eq!(result["ips"][0]["gateway"], "10.1.2.1");
            assert_eq!(result["ips"][1]["gateway"], "2001:db8:1::1");
            let said = [&result["ips"][0]["version"], &result["ips"][1]["version"]];
            let expected = if since(version, "1.0.0") { [Value::Null, Value::Null] } else { [json!("4"), json!("6")] };
            assert_eq!(said, [&expected[0], &expected[1]], "{version}");
            assert_eq!(result["routes"].as_array().unwrap().len(), 4);
            assert_eq!(result["routes"][2], json!({"dst": "192.168.0.0/16", "gw": "1.1.1.1"}));
        }
        assert_eq!(pool.text("10.1.2.2").as_deref(), Some("dummy\r\neth0"));
        assert_eq!(pool.text("2001:db8:1::2").as_deref(), Some("dummy\r\neth0"));
        assert_eq!(pool.text("last_reserved_ip.0").as_deref(), Some("10.1.2.2"));
        assert_eq!(pool.text("last_reserved_ip.1").as_deref(), Some("2001:db8:1::2"));
        if since(version, "0.4.0") {
            assert_eq!(pool.run("CHECK", "dummy"), Ok(Value::Null));
            assert!(pool.run("CHECK", "other").is_err());
        }
        pool.del("dummy");
        pool.del("dummy");
        assert_eq!((pool.text("10.1.2.2"), pool.text("2001:db8:1::2")), (None, None));
    }
}

#[test]
fn interfaces_and_networks_of_a_container_are_apart() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        let ipam = json!({"subnet": "10.1.2.0/24"});
        let [one, two] = ["one", "two"].map(|name| Pool::named(&host, &format!("{name}-{version}"), version, &ipam));
        assert_eq!((one.add("c1"), two.add("c1")), (vec!["10.1.2.2".to_owned()], vec!["10.1.2.2".to_owned()]));
        let second = one.call("ADD", "c1", "eth1").run().answer().unwrap();
        assert_eq!(addresses(&second), ["10.1.2.3/24"]);
        one.del("c1");
        assert_eq!(one.text("10.1.2.2"), None);
        assert_eq!(one.text("10.1.2.3").as_deref(), Some("c1\r\neth1"));
        assert_eq!(two.text("10.1.2.2").as_deref(), Some("c1\r\neth0"));
        two.del("c1");
        one.call("DEL", "c1", "eth1").run().answer().unwrap();
    }
}

#[test]
fn a_second_add_of_the_same_interface_is_refused() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        let pool = Pool::new(&host, version, &json!({"subnet": "10.1.2.0/24"}));
        pool.add("c1");
        let refusal = pool.run("ADD", "c1").unwrap_err();
        assert!(refusal.msg.contains("10.1.2.2 has been allocated to c1, duplicate allocation is not allowed"));
        assert_eq!(pool.add("c2"), ["10.1.2.3"]);
        pool.del("c1");
        pool.del("c2");
    }
}

#[test]
fn leases_of_other_writers_are_honoured_and_freed() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        let pool = Pool::new(&host, version, &json!({"subnet": "10.1.2.0/29"}));
        pool.write("10.1.2.2", "old");
        pool.write("10.1.2.3", " spaces\r\neth0\n");
        pool.write("10.1.2.4", "c1\neth0");
        assert_eq!(pool.add("c2"), ["10.1.2.5"]);
        pool.del("old");
        assert_eq!(pool.text("10.1.2.2"), None, "the layout before interface names");
        pool.del("spaces");
        assert_eq!(pool.text("10.1.2.3"), None, "white space around the id");
        pool.del("never-seen");
        std::fs::remove_file(pool.file("10.1.2.4")).unwrap();
        pool.del("c2");
    }
}

#[test]
fn an_empty_file_never_costs_an_address() {
    let lab = Lab::new();
    let pool = Pool::new(&lab.host("a"), "1.1.0", &json!({"subnet": "10.1.2.0/29"}));
    for address in 2..7 {
        pool.write(&format!("10.1.2.{address}"), "");
    }
    pool.write("last_reserved_ip.0", "");
    let mut given: Vec<String> = (0..5).flat_map(|number| pool.add(&format!("c{number}"))).collect();
    given.sort_unstable();
    assert_eq!(given, ["10.1.2.2", "10.1.2.3", "10.1.2.4", "10.1.2.5", "10.1.2.6"]);
    (0..5).for_each(|number| pool.del(&format!("c{number}")));
}

#[test]
fn a_torn_note_of_the_last_address_is_survived() {
    for text in ["10.1", "\u{0}\u{0}", "10.9.9.9", "2001:db8::1", "10.1.2.255\n\n"] {
        let lab = Lab::new();
        let pool = Pool::new(&lab.host("a"), "1.1.0", &json!({"subnet": "10.1.2.0/24"}));
        pool.write("last_reserved_ip.0", text);
        assert_eq!(pool.add("c1"), ["10.1.2.2"], "{text:?}");
        pool.del("c1");
    }
}

#[test]
fn requested_addresses_are_given() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        let pool = Pool::new(&host, version, &two_families());
        let asked = |ips: &[&str]| pool.with(&json!({"args": {"cni": {"ips": ips}}}));
        assert_eq!(asked(&["10.1.2.88"]).add("c1"), ["10.1.2.88", "2001:db8:1::2"]);
        assert_eq!(asked(&["10.2.2.9", "2001:db8:1::999"]).add("c2"), ["10.2.2.9", "2001:db8:1::999"]);
        assert_eq!(asked(&["10.1.2.77/24"]).add("c3")[0], "10.1.2.77", "a prefix says nothing");
        let by_runtime = pool.with(&json!({"runtimeConfig": {"ips": ["10.1.2.66"]}}));
        assert_eq!(by_runtime.add("c4")[0], "10.1.2.66");
        let by_args = pool.call("ADD", "c5", "eth0").env("CNI_ARGS", "IP=10.1.2.55").run().answer().unwrap();
        assert_eq!(addresses(&by_args)[0], "10.1.2.55/24");
        for number in 1..6 {
            pool.del(&format!("c{number}"));
        }
    }
}

#[test]
fn a_request_that_cannot_be_met_is_refused_and_keeps_nothing() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        let ipam = json!({"ranges": [[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.10", "rangeEnd": "10.1.2.20"}]]});
        let pool = Pool::new(&host, version, &ipam);
        assert_eq!(pool.with(&json!({"args": {"cni": {"ips": ["10.1.2.12"]}}})).add("c1"), ["10.1.2.12"]);
        for (ips, start) in [
            (json!(["10.1.2.11", "10.1.2.13"]), "failed to allocate all requested IPs: 10.1.2."),
            (json!(["10.1.2.30"]), "failed to allocate all requested IPs: 10.1.2.30"),
            (json!(["10.1.2.1"]), "failed to allocate all requested IPs: 10.1.2.1"),
            (json!(["10.1.2.12"]), "requested IP address 10.1.2.12 is not available in range set 10.1.2.10-10.1.2.20"),
        ] {
            let refusal = pool.with(&json!({"args": {"cni": {"ips": ips}}})).run("ADD", "c2").unwrap_err();
            assert!(refusal.msg.contains(start), "{ips}: {refusal:?}");
        }
        let kept = std::fs::read_dir(pool.file("")).unwrap().flatten().map(|entry| entry.file_name());
        assert_eq!(kept.filter(|name| name.to_string_lossy().starts_with("10.")).count(), 1);
        pool.del("c1");
    }
}

#[test]
fn the_gateway_is_never_given() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        let ipam = json!({"subnet": "10.1.2.0/29", "gateway": "10.1.2.3"});
        let pool = Pool::new(&host, version, &ipam);
        let given: Vec<String> = (0..5).flat_map(|number| pool.add(&format!("c{number}"))).collect();
        assert_eq!(given, ["10.1.2.1", "10.1.2.2", "10.1.2.4", "10.1.2.5", "10.1.2.6"]);
        (0..5).for_each(|number| pool.del(&format!("c{number}")));
        let asked = pool.with(&json!({"args": {"cni": {"ips": ["10.1.2.3"]}}}));
        let refusal = asked.run("ADD", "c9").unwrap_err();
        assert!(refusal.msg.contains("requested ip 10.1.2.3 is subnet's gateway"), "{refusal:?}");
    }
}

#[test]
fn reference_and_ours_respect_each_others_leases() {
    let [ours, theirs] = [Lab::new(), Lab::with_plugins(tests::REFERENCE)];
    let folder = theirs.folder().join("leases");
    let ipam = json!({"subnet": "10.1.2.0/29", "dataDir": folder});
    let [ours, theirs] = [ours.host("a"), theirs.host("b")].map(|host| Pool::named(&host, "mynet", "1.0.0", &ipam));
    assert_eq!(theirs.add("c1"), ["10.1.2.2"]);
    assert_eq!(ours.add("c2"), ["10.1.2.3"]);
    assert_eq!(theirs.add("c3"), ["10.1.2.4"]);
    ours.del("c1");
    theirs.del("c2");
    assert_eq!((ours.add("c4"), theirs.add("c5")), (vec!["10.1.2.5".to_owned()], vec!["10.1.2.6".to_owned()]));
    assert_eq!(ours.add("c6"), ["10.1.2.2"]);
    for name in ["c3", "c4", "c5", "c6"] {
        theirs.del(name);
    }
    let left = std::fs::read_dir(folder.join("mynet")).unwrap().flatten().map(|entry| entry.file_name());
    assert_eq!(left.filter(|name| name.to_string_lossy().starts_with("10.")).count(), 0);
}
