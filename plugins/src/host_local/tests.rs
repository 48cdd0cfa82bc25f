use std::{collections::BTreeMap, ffi::OsString, fs, net::IpAddr};

use netd_model::attachment::{Attachment, Progress, VERSION};
use serde_json::{Value, json};

use super::*;
use crate::cni::{About, Command, Invocation, Version};

mod config;

const ABOUT: About = About { name: "host-local", oldest: Version::V0_1_0, capabilities: None };

/// A folder of leases and a run directory, on which commands run as the plugin runs them.
struct Bench {
    root: tempfile::TempDir,
    store: Store,
}

/// What a runtime passes to a plugin.
struct Call {
    env: BTreeMap<&'static str, OsString>,
    config: Value,
}

impl Call {
    fn of(command: &str, container: &str, config: &Value) -> Self {
        let env = [
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", container),
            ("CNI_NETNS", "/run/netns/none"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/opt/cni/bin"),
        ];
        let env = env.into_iter().map(|(key, value)| (key, value.into())).collect();
        Self { env, config: config.clone() }
    }

    fn env(mut self, key: &'static str, value: &str) -> Self {
        self.env.insert(key, value.into());
        self
    }

    #[track_caller]
    fn request(&self) -> Request {
        let stdin = self.config.to_string();
        match Invocation::parse(&ABOUT, &|key| self.env.get(key).cloned(), &mut stdin.as_bytes()) {
            Ok(Invocation::Request(request)) => *request,
            other => panic!("{other:?} is no request"),
        }
    }
}

impl Bench {
    fn new() -> Self {
        Self::within("/tmp")
    }

    /// A bench on the file system of this directory.
    fn within(directory: &str) -> Self {
        let root = tempfile::tempdir_in(directory).unwrap();
        let store = Store::open(root.path().join("run"));
        Self { root, store }
    }

    /// A configuration of network `web` with these keys of `ipam`, in this folder.
    fn config(&self, ipam: &Value) -> Value {
        let mut ipam = ipam.clone();
        ipam["type"] = json!("host-local");
        ipam["dataDir"] = json!(self.root.path().join("data"));
        json!({"cniVersion": "1.1.0", "name": "web", "type": "bridge", "ipam": ipam})
    }

    fn run(&self, call: &Call) -> Result<Vec<String>, Error> {
        self.run_with(call, &mut |_| false)
    }

    fn run_with(&self, call: &Call, stale: Stale<'_>) -> Result<Vec<String>, Error> {
        let request = call.request();
        let done = match &request.command {
            Command::Add(target) => {
                let ips = add(&request, target, &self.store, stale)?.result.ips;
                return Ok(ips.iter().map(|ip| ip.address.to_string()).collect());
            }
            Command::Check(target) => check(&request, target, &self.store),
            Command::Del(target) => del(&request, target, &self.store),
            Command::Gc(valid) => gc(&request, valid.as_ref().unwrap(), &self.store),
            Command::Status => status(&request, &self.store, stale),
        };
        done.map(|()| vec![])
    }

    fn add(&self, container: &str, ipam: &Value) -> Result<Vec<String>, (u32, String)> {
        self.run(&Call::of("ADD", container, &self.config(ipam))).map_err(told)
    }

    fn del(&self, container: &str, ipam: &Value) {
        self.run(&Call::of("DEL", container, &self.config(ipam))).unwrap();
    }

    fn folder(&self) -> std::path::PathBuf {
        self.root.path().join("data/web")
    }

    fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder().join(name)).ok()
    }

    /// The files in the folder that are leases.
    fn leases(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.folder()) else { return vec![] };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.parse::<IpAddr>().is_ok()).collect();
        names.sort();
        names
    }
}

fn told(error: Error) -> (u32, String) {
    (error.kind.code(), error.msg)
}

#[test]
fn each_range_set_gives_an_address_and_del_frees_them() {
    let bench = Bench::new();
    let ipam = json!({"ranges": [
        [{"subnet": "10.1.2.0/24"}, {"subnet": "10.2.2.0/24"}],
        [{"subnet": "2001:db8:1::/64"}]
    ]});
    assert_eq!(bench.add("dummy", &ipam).unwrap(), ["10.1.2.2/24", "2001:db8:1::2/64"]);
    assert_eq!(bench.text("10.1.2.2").unwrap(), "dummy\r\neth0");
    assert_eq!(bench.text("last_reserved_ip.0").unwrap(), "10.1.2.2");
    assert_eq!(bench.text("last_reserved_ip.1").unwrap(), "2001:db8:1::2");
    bench.run(&Call::of("CHECK", "dummy", &bench.config(&ipam))).unwrap();
    bench.del("dummy", &ipam);
    assert!(bench.leases().is_empty());
    let error = bench.run(&Call::of("CHECK", "dummy", &bench.config(&ipam))).unwrap_err();
    assert_eq!(error.msg, "host-local: Failed to find address added by container dummy");
    bench.del("dummy", &ipam);
}

#[test]
fn what_has_an_address_outlives_the_file_that_names_came_from() {
    let bench = Bench::new();
    let resolv = bench.root.path().join("resolv.conf");
    fs::write(&resolv, "nameserver 10.0.0.1").unwrap();
    let ipam = json!({"subnet": "10.1.2.0/24", "resolvConf": resolv});
    bench.add("a", &ipam).unwrap();
    fs::remove_file(&resolv).unwrap();
    bench.run(&Call::of("CHECK", "a", &bench.config(&ipam))).unwrap();
    bench.del("a", &ipam);
    assert!(bench.leases().is_empty());
    assert_eq!(bench.add("b", &ipam).unwrap_err().0, 7);
    assert!(bench.leases().is_empty(), "a refused ADD takes nothing");
    let status = bench.run(&Call::of("STATUS", "b", &bench.config(&ipam))).map_err(told);
    assert_eq!(status.unwrap_err().0, 7, "no ADD would work");
}

#[test]
fn a_second_add_is_refused_and_the_next_container_gets_the_next_address() {
    let bench = Bench::new();
    let ipam = json!({"subnet": "10.1.2.0/24"});
    assert_eq!(bench.add("a", &ipam).unwrap(), ["10.1.2.2/24"]);
    let refused =
        "failed to allocate for range 0: 10.1.2.2 has been allocated to a, duplicate allocation is not allowed";
    assert_eq!(bench.add("a", &ipam), Err((100, refused.to_owned())));
    let with_request = json!({"subnet": "10.1.2.0/24", "ranges": []});
    let call = Call::of("ADD", "a", &bench.config(&with_request)).env("CNI_ARGS", "IP=10.1.2.9");
    assert_eq!(bench.run(&call).map_err(told), Err((100, refused.to_owned())));
    assert_eq!(bench.add("b", &ipam).unwrap(), ["10.1.2.3/24"]);
    let other_interface = Call::of("ADD", "a", &bench.config(&ipam)).env("CNI_IFNAME", "eth1");
    assert_eq!(bench.run(&other_interface).unwrap(), ["10.1.2.4/24"]);
    bench.del("a", &ipam);
    assert_eq!(bench.leases(), ["10.1.2.3", "10.1.2.4"]);
}

#[test]
fn a_full_pool_is_told_by_add_and_status_until_an_address_is_freed() {
    let bench = Bench::new();
    let ipam = json!({"ranges": [[{"subnet": "fd00::/64"}], [{"subnet": "10.1.2.0/30"}]]});
    let status = |bench: &Bench| bench.run(&Call::of("STATUS", "", &bench.config(&ipam))).map_err(told);
    assert_eq!(status(&bench), Ok(vec![]));
    assert!(!bench.folder().exists(), "STATUS makes nothing");
    assert_eq!(bench.add("a", &ipam).unwrap(), ["fd00::2/64", "10.1.2.2/30"]);
    let full = "no IP addresses available in range set: 10.1.2.1-10.1.2.2".to_owned();
    assert_eq!(bench.add("b", &ipam), Err((11, format!("failed to allocate for range 1: {full}"))));
    assert_eq!(bench.leases(), ["10.1.2.2", "fd00::2"], "what the failed ADD took is free again");
    assert_eq!(status(&bench), Err((50, full)));
    bench.del("a", &ipam);
    assert_eq!(status(&bench), Ok(vec![]));
}

#[test]
fn a_full_pool_takes_back_what_is_stale_and_nothing_else() {
    let bench = Bench::new();
    let ipam = json!({"subnet": "10.1.2.0/29"});
    for name in ["a", "b", "c", "d", "e"] {
        bench.add(name, &ipam).unwrap();
    }
    let mut stale = |held: &Held| held.holder.container().unwrap().as_str() == "c";
    let status = Call::of("STATUS", "", &bench.config(&ipam));
    assert_eq!(bench.run(&status).map_err(|error| error.kind.code()), Err(50));
    assert_eq!(bench.run_with(&status, &mut stale).unwrap(), [""; 0]);
    let add = |name: &str| Call::of("ADD", name, &bench.config(&ipam));
    assert_eq!(bench.run_with(&add("f"), &mut stale).unwrap(), ["10.1.2.4/29"]);
    assert_eq!(bench.run_with(&add("g"), &mut stale).map_err(told).unwrap_err().0, 11);
    let requested = add("g").env("CNI_ARGS", "IP=10.1.2.6");
    assert_eq!(bench.run_with(&requested, &mut stale).map_err(told).unwrap_err().0, 11);
    let mut stale = |held: &Held| held.address == "10.1.2.6".parse::<IpAddr>().unwrap();
    assert_eq!(bench.run_with(&requested, &mut stale).unwrap(), ["10.1.2.6/29"]);
    let mut own = |held: &Held| held.holder.container().unwrap().as_str() == "a";
    assert_eq!(bench.run_with(&add("a"), &mut own).unwrap(), ["10.1.2.2/29"], "its own stale lease is no duplicate");
}

#[test]
fn an_empty_or_torn_file_never_costs_an_address() {
    let bench = Bench::new();
    let ipam = json!({"subnet": "10.1.2.0/30"});
    fs::create_dir_all(bench.folder()).unwrap();
    for text in ["", "a\r\n", "\0\0\0"] {
        fs::write(bench.folder().join("10.1.2.2"), text).unwrap();
        bench.run(&Call::of("STATUS", "", &bench.config(&ipam))).unwrap();
        assert_eq!(bench.add("b", &ipam).unwrap(), ["10.1.2.2/30"], "{text:?}");
        bench.del("b", &ipam);
    }
}

#[test]
fn gc_frees_all_but_the_leases_of_valid_attachments() {
    let bench = Bench::new();
    let ipam = json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]});
    for name in ["a", "b", "c"] {
        bench.add(name, &ipam).unwrap();
    }
    for (name, text) in [("10.1.2.9", ""), ("10.1.2.10", "b"), ("10.1.2.11", "c"), ("10.1.2.12", "for the printer")] {
        fs::write(bench.folder().join(name), text).unwrap();
    }
    let gc = |valid: Value| {
        let mut config = bench.config(&ipam);
        config["cni.dev/valid-attachments"] = valid;
        bench.run(&Call::of("GC", "", &config)).unwrap();
        bench.leases()
    };
    let valid = json!([{"containerID": "b", "ifname": "eth0"}, {"containerID": "a", "ifname": "eth1"}]);
    assert_eq!(gc(valid), ["10.1.2.10", "10.1.2.12", "10.1.2.3", "fd00::3"]);
    assert_eq!(gc(json!([])), ["10.1.2.12"]);
    assert_eq!(bench.add("d", &ipam).unwrap(), ["10.1.2.5/24", "fd00::5/64"]);
}

#[test]
fn gc_of_a_network_that_never_was_makes_nothing() {
    let bench = Bench::new();
    let mut config = bench.config(&json!({"subnet": "10.1.2.0/24"}));
    config["cni.dev/valid-attachments"] = json!([]);
    bench.run(&Call::of("GC", "", &config)).unwrap();
    assert_eq!(fs::read_dir(bench.root.path()).unwrap().count(), 0);
}

#[test]
fn del_frees_before_it_complains_about_the_configuration() {
    let bench = Bench::new();
    bench.add("a", &json!({"subnet": "10.1.2.0/24"})).unwrap();
    let broken = Call::of("DEL", "a", &bench.config(&json!({"subnet": "10.1.2.0/31"})));
    assert_eq!(bench.run(&broken).map_err(told).unwrap_err().0, 7);
    assert!(bench.leases().is_empty());
}

/// Writes the document that an ADD of this boot would have written.
fn attach(store: &Store, container: &str, boot: &str) {
    let id = AttachmentId {
        network: "web".parse().unwrap(),
        container: container.parse().unwrap(),
        ifname: "eth0".parse().unwrap(),
    };
    let (progress, boot) = (Progress::Ready, boot.to_owned());
    store.write(&Attachment { version: VERSION, id, progress, boot, netns: None, sections: BTreeMap::new() }).unwrap();
}

/// What is stale on this host as it is now, with every container of this boot alive.
fn judge(bench: &Bench) -> impl FnMut(&Held) -> bool {
    let (store, boot) = (bench.store.clone(), bench.store.boot().unwrap());
    move |held| store.is_stale(held, None, &boot, |_| false)
}

#[test]
fn after_a_reboot_a_full_pool_gives_the_addresses_of_the_boot_before() {
    for root in ["/tmp", "/dev/shm"] {
        let bench = Bench::within(root);
        let ipam = json!({"subnet": "10.1.2.0/29"});
        let names = ["a", "b", "c", "d", "e"];
        for name in names {
            bench.add(name, &ipam).unwrap();
        }
        let boot = bench.store.boot().unwrap();
        attach(&bench.store, "a", &boot.id);
        attach(&bench.store, "b", "the boot before");
        let day = Duration::from_hours(24);
        for (address, written) in [
            ("10.1.2.2", boot.began - 9 * day), // a: alive, whatever its file's time
            ("10.1.2.3", boot.began + 9 * day), // b: of the boot before, whatever its file's time
            ("10.1.2.4", boot.began - day - Duration::from_mins(1)), // c: no document, and old enough
            ("10.1.2.5", boot.began - day + Duration::from_mins(1)), // d: no document, and not old enough
        ] {
            fs::File::options().write(true).open(bench.folder().join(address)).unwrap().set_modified(written).unwrap();
        }
        bench.run_with(&Call::of("STATUS", "", &bench.config(&ipam)), &mut judge(&bench)).unwrap();
        let add = |name: &str| {
            let call = Call::of("ADD", name, &bench.config(&ipam));
            bench.run_with(&call, &mut judge(&bench)).map_err(|error| error.kind.code())
        };
        assert_eq!(add("f").unwrap(), ["10.1.2.3/29"], "{root}");
        assert_eq!(add("g").unwrap(), ["10.1.2.4/29"], "{root}");
        assert_eq!(add("h"), Err(11), "{root}");
    }
}
