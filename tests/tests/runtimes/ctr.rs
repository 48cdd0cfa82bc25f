//! containerd's own client, `ctr run --cni`. It has words for no port, limit or name: those of the network hold.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use tests::{Host, Lab, Outcome, REFERENCE, eventually, holds_within, run};

use super::enclosure::Enclosure;
use super::{SOON, containerd, image, left, rates};

fn network(version: &str, chained: &[Value]) -> Value {
    let bridge = json!({
        "type": "bridge",
        "bridge": "br-web",
        "isDefaultGateway": true,
        "ipMasq": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}]]}
    });
    let plugins: Vec<Value> = [bridge].iter().chain(chained).cloned().collect();
    json!({"cniVersion": version, "name": "web", "plugins": plugins})
}

/// The runtime itself, and how the test drives it, with plugins that are known to work.
#[test]
fn containers_reach_each_other_with_the_reference_plugins() {
    let lab = Lab::with_plugins(REFERENCE);
    let host = lab.host("a");
    let ctr = Ctr::start(&host, &network("0.4.0", &[]));
    let [c1, c2] = ["c1", "c2"].map(|name| ctr.run(name));
    let addresses = [&c1, &c2].map(|container| ctr.address(container));
    assert_eq!(addresses, ["10.1.2.2", "10.1.2.3"]);
    assert!(ctr.exec(&c1, "/bin/ping -c 1 10.1.2.3").success());
    for container in [c1, c2] {
        ctr.kill(container);
    }
    eventually(SOON, || host.leftovers().is_empty());
}

/// ctr names its containers `default-<id>`, and writes no resolv.conf: the test writes it from the result.
#[test]
fn containers_find_and_reach_each_other_by_name() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let bandwidth = json!({"type": "bandwidth", "ingressRate": 100_000_000, "ingressBurst": 1_000_000});
    let dns = json!({"type": "dns", "names": ["shop"]});
    let ctr = Ctr::start(&host, &network("1.0.0", &[json!({"type": "firewall"}), bandwidth, dns]));
    let [c1, c2] = ["c1", "c2"].map(|name| ctr.run(name));
    for container in [&c1, &c2] {
        ctr.write_resolv_conf(container);
    }
    for (from, name, address) in [(&c1, "default-c2", ctr.address(&c2)), (&c2, "default-c1", ctr.address(&c1))] {
        for name in [name, "shop"] {
            let found = ctr.exec(from, &format!("/bin/nslookup {name}.web.internal"));
            assert!(found.stdout.contains(&format!("Address: {address}")), "{found:#?}");
        }
        let pinged = ctr.exec(from, &format!("/bin/ping -c 1 {name}"));
        assert!(pinged.success(), "by the bare name, through the search list: {pinged:#?}");
    }
    assert_eq!(rates(&host), ["100Mbit", "100Mbit"], "of each");
    ctr.kill(c2);
    eventually(SOON, || !ctr.exec(&c1, "/bin/nslookup default-c2.web.internal").success());
    ctr.kill(c1);
    eventually(SOON, || left(&host).is_empty());
    netd.stop();
}

/// containerd, driven by `ctr`.
struct Ctr {
    host: Host,
    containerd: Enclosure,
    root: PathBuf,
}

/// A container, and the `ctr` that started it and waits for its end.
struct Running {
    name: String,
    ctr: Child,
}

impl Ctr {
    fn start(host: &Host, network: &Value) -> Self {
        let root = image::root(host.folder());
        Self { host: host.clone(), containerd: containerd::start(host, network), root }
    }

    fn ctr(&self, words: &str) -> Outcome {
        run(self.containerd.command("ctr").args(words.split_whitespace()), b"")
    }

    /// A container that sleeps, attached to the network.
    fn run(&self, name: &str) -> Running {
        std::fs::write(self.resolv_conf(name), "").unwrap();
        let mount = format!("type=bind,src={},dst=/etc/resolv.conf,options=rbind:ro", self.resolv_conf(name).display());
        let mut command = self.containerd.command("ctr");
        command.args(["run", "--cni", "--cgroup", "", "--runc-binary"]).arg(containerd::starter(self.host.folder()));
        command.args(["--mount", &mount, "--rootfs"]).arg(&self.root);
        command.args([name, "/bin/sleep", "1000"]);
        let path = self.containerd.path(&format!("{name}.log"));
        let log = std::fs::File::create(&path).unwrap();
        let ctr = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let running = Running { name: name.to_owned(), ctr };
        let attached = holds_within(SOON, || {
            self.ctr("task ls").stdout.lines().any(|line| line.starts_with(name) && line.contains("RUNNING"))
        });
        assert!(attached, "{name} does not run: {:?}", std::fs::read_to_string(path));
        running
    }

    fn resolv_conf(&self, name: &str) -> PathBuf {
        self.containerd.path(&format!("{name}.resolv.conf"))
    }

    /// The result of ADD, which libcni keeps.
    fn result(&self, container: &Running) -> Value {
        let path = self.host.folder().join("lib/cni/results").join(format!("web-default-{}-eth0", container.name));
        let text = std::fs::read_to_string(&path).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["result"].take()
    }

    /// The container's first address, without the prefix.
    fn address(&self, container: &Running) -> String {
        let result = self.result(container);
        result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap().to_owned()
    }

    /// Does what Podman does and ctr does not.
    fn write_resolv_conf(&self, container: &Running) {
        let dns = self.result(container)["dns"].take();
        let words = |key: &str| dns[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
        let mut text = String::new();
        for server in words("nameservers") {
            writeln!(text, "nameserver {server}").unwrap();
        }
        writeln!(text, "search {}", words("search").join(" ")).unwrap();
        std::fs::write(self.resolv_conf(&container.name), text).unwrap();
    }

    /// Runs a command line in a container.
    fn exec(&self, container: &Running, line: &str) -> Outcome {
        self.ctr(&format!("task exec --exec-id test {} {line}", container.name))
    }

    /// Kills a container; its `ctr` then calls DEL, without a namespace.
    fn kill(&self, mut container: Running) {
        assert!(self.ctr(&format!("task kill --signal KILL {}", container.name)).success());
        eventually(SOON, || container.ctr.try_wait().unwrap().is_some());
        // `ctr run` does not remove the container's record without `--rm`.
        self.ctr(&format!("container rm {}", container.name));
    }
}
