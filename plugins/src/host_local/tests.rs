use std::{collections::BTreeMap, ffi::OsString, fs, net::IpAddr};

use serde_json::{Value, json};

use super::*;
use crate::cni::{About, Command, Invocation, Version};

const ABOUT: About = About { name: "host-local", oldest: Version::V0_1_0 };

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
        let root = tempfile::tempdir().unwrap();
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
