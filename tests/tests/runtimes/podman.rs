//! Podman with its CNI backend, which calls the plugins by the names that its own configurations have.

use serde_json::{Value, json};
use tests::{Host, Lab, Outcome, REFERENCE, Run, eventually, need, run};

use super::enclosure::Enclosure;
use super::image::{NAME, PAGE};
use super::{SOON, image, left, page, rates};

/// What Podman 4 writes for `podman network create`, and limits, for which it has no words.
fn network() -> Value {
    json!({"cniVersion": "0.4.0", "name": "web", "plugins": [
        {"type": "bridge", "bridge": "br-web", "isGateway": true, "ipMasq": true, "hairpinMode": true,
         "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}],
                  "ranges": [[{"subnet": "10.1.2.0/24", "gateway": "10.1.2.1"}]]}},
        {"type": "portmap", "capabilities": {"portMappings": true}},
        {"type": "firewall", "backend": ""},
        {"type": "tuning"},
        {"type": "bandwidth", "ingressRate": 100_000_000, "ingressBurst": 1_000_000,
         "egressRate": 50_000_000, "egressBurst": 500_000},
        {"type": "dnsname", "domainName": "web.test", "capabilities": {"aliases": true}}
    ]})
}

#[test]
fn podman_publishes_limits_and_names_a_container() {
    let lab = Lab::new();
    let [host, other] = ["a", "b"].map(|name| lab.host(name));
    host.link_to(&other, "192.0.2.1/24", "192.0.2.2/24");
    let netd = host.netd();
    let podman = Podman::start(&host, &network());
    podman.serve("--name shop-1 --network web --network-alias shop --publish 8080:80");
    assert_eq!(page(&host, "http://127.0.0.1:8080"), PAGE);
    assert_eq!(page(&host, "http://192.0.2.1:8080"), PAGE);
    assert_eq!(page(&other, "http://192.0.2.1:8080"), PAGE);
    assert_eq!(rates(&host), ["100Mbit", "50Mbit"]);

    let seen = podman.see("--network web", "cat /etc/resolv.conf; nslookup shop; ping -c 1 shop-1").text();
    assert!(seen.starts_with("search web.test\nnameserver 10.1.2.1\n"), "{seen}");
    let address = podman.address("shop-1", "web");
    assert!(seen.contains(&format!("Name:\tshop.web.test\nAddress: {address}\n")), "{seen}");
    for server in ["shop 80", "192.0.2.1 8080", "10.1.2.1 8080"] {
        let answer = podman.see("--network web", &format!(r#"printf "GET / HTTP/1.0\n\n" | nc -w 3 {server}"#));
        assert!(answer.stdout.ends_with(PAGE), "{server}: {answer:#?}");
    }

    podman.say("rm --force --time 0 shop-1");
    assert_eq!(left(&host), [""; 0]);
    let seen = podman.see("--network web", "nslookup shop");
    assert!(seen.stdout.contains("NXDOMAIN"), "{seen:#?}");
    assert_eq!(left(&host), [""; 0], "of those that looked");
    netd.stop();
}

/// Podman holds each published port by a socket, so that nobody takes it: it is no obstacle to the container itself.
#[test]
fn a_container_gets_its_network_anew() {
    let lab = Lab::new();
    let host = lab.host("a");
    let podman = Podman::start(&host, &network());
    podman.serve("--name shop-1 --network web --publish 8080:80 --publish 5353:53/udp");
    assert!(host.run("ss -Hulnp sport = 5353").text().contains("conmon"), "it holds the port");
    let address = podman.address("shop-1", "web");
    host.sh("nft flush ruleset");
    assert_eq!(page(&host, "http://10.1.2.1:8080"), "", "without a ruleset");
    podman.say("network reload shop-1");
    assert_eq!(page(&host, "http://10.1.2.1:8080"), PAGE);
    assert_eq!(podman.address("shop-1", "web"), address);
    assert_eq!(rates(&host), ["100Mbit", "50Mbit"]);

    podman.say("restart --time 0 shop-1");
    assert_eq!(page(&host, "http://10.1.2.1:8080"), PAGE);
    podman.say("stop --time 0 shop-1");
    eventually(SOON, || left(&host).is_empty());
    podman.say("start shop-1");
    assert_eq!(page(&host, "http://10.1.2.1:8080"), PAGE);
    podman.say("rm --force --time 0 shop-1");
    assert_eq!(left(&host), [""; 0]);
}

/// Podman keeps its id and calls no DEL: its address is taken, by itself before the reboot.
#[test]
fn a_container_starts_again_after_a_reboot() {
    let lab = Lab::new();
    let host = lab.host("a");
    let podman = Podman::start(&host, &network());
    podman.serve("--name shop-1 --network web --ip 10.1.2.50 --publish 8080:80");
    drop(podman);
    host.reboot(Run::Wiped);
    let podman = Podman::again(&host, &network());
    podman.say("start shop-1");
    assert_eq!(podman.address("shop-1", "web"), "10.1.2.50");
    assert_eq!(page(&host, "http://10.1.2.1:8080"), PAGE);
    podman.say("rm --force --time 0 shop-1");
    assert_eq!(left(&host), [""; 0]);
}

/// A host switches by replacing files, and keeps its containers.
#[test]
fn containers_of_the_reference_plugins_are_taken_over() {
    need("/usr/sbin/iptables", "iptables");
    let lab = Lab::new();
    let host = lab.host("a");
    let mut network = network();
    network["plugins"].as_array_mut().unwrap().retain(|plugin| plugin["type"] != "dnsname");
    let podman = Podman::start(&host, &network);
    podman.enclosure.switch_plugins(REFERENCE.as_ref());
    let ids = [8080, 8081].map(|port| podman.serve(&format!("--network web --publish {port}:80")));
    let reached = || [8080, 8081].map(|port| page(&host, &format!("http://10.1.2.1:{port}")));
    assert_eq!(reached(), [PAGE; 2]);
    let rules = || host.run("iptables-save").text();
    assert!(ids.iter().all(|id| rules().contains(id.as_str())), "{}", rules());

    podman.enclosure.switch_plugins(host.plugins());
    assert_eq!(reached(), [PAGE; 2]);
    let addresses = ids.each_ref().map(|id| podman.address(id, "web"));
    podman.say(&format!("network reload {}", ids[0]));
    assert_eq!(reached(), [PAGE; 2], "the one is ours now, the other is not");
    assert_eq!(ids.each_ref().map(|id| podman.address(id, "web")), addresses);
    for id in &ids {
        podman.say(&format!("rm --force --time 0 {id}"));
    }
    assert_eq!(left(&host), [""; 0]);
    assert!(!ids.iter().any(|id| rules().contains(id.as_str())) && !rules().contains("CNI-DN"), "{}", rules());
}

#[test]
fn podman_makes_networks_by_itself() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let podman = Podman::start(&host, &network());
    podman.say("network create --subnet 10.7.0.0/24 --ipv6 --subnet fd00:7::/64 lab");
    podman.serve("--name db-1 --network lab --ip 10.7.0.50 --network-alias db --publish 8080:80");
    for url in ["http://127.0.0.1:8080", "http://10.7.0.1:8080", "http://[fd00:7::1]:8080"] {
        assert_eq!(page(&host, url), PAGE, "{url}");
    }
    assert_eq!(podman.address("db-1", "lab"), "10.7.0.50");
    let seen = podman.see("--network lab", "nslookup db").stdout;
    assert!(seen.contains("Name:\tdb.dns.podman\nAddress: 10.7.0.50\n"), "{seen}");
    assert!(seen.contains("Name:\tdb.dns.podman\nAddress: fd00:7::2\n"), "{seen}");

    podman.say("network connect --alias store web db-1");
    let looked = || podman.see("--network web", "nslookup store.web.test").stdout;
    let address = podman.address("db-1", "web");
    assert!(looked().contains(&format!("Address: {address}\n")), "{}", looked());
    podman.say("network disconnect web db-1");
    assert!(looked().contains("NXDOMAIN"), "{}", looked());

    podman.say("network create --subnet 10.8.0.0/24 --opt isolate=true alone");
    let reaches = |network: &str| podman.see(&format!("--network {network}"), "ping -c 1 -W 2 10.7.0.50").success();
    assert_eq!(["web", "alone"].map(reaches), [true, false]);

    podman.say("rm --force --time 0 db-1");
    assert_eq!(left(&host), [""; 0]);
    let bridge = podman.say("network inspect lab --format {{.NetworkInterface}}");
    assert_ne!(host.link(bridge.trim()), Value::Null);
    podman.say("network rm lab");
    assert_eq!(host.link(bridge.trim()), Value::Null);
    netd.stop();
}

/// No cgroups, segments of memory and registries, which are the machine's.
const CONFIG: &str = r#"[containers]
cgroups = "disabled"
log_driver = "k8s-file"
[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin"]
network_config_dir = "/etc/cni/net.d"
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
"#;

/// Podman has no daemon: of each container a conmon stays, a child of the first process, which waits for all.
const WAIT: [&str; 3] = ["sh", "-c", "sleep infinity & wait"];

struct Podman {
    enclosure: Enclosure,
}

impl Podman {
    /// With the host's plugins, one network and one image.
    fn start(host: &Host, network: &Value) -> Self {
        need("/usr/bin/podman", "podman");
        need("/usr/bin/crun", "crun");
        std::fs::write(host.folder().join("containers.conf"), CONFIG).unwrap();
        std::fs::create_dir(host.folder().join("tmp")).unwrap();
        let archive = image::archive(host.folder());
        let podman = Self::again(host, network);
        podman.say(&format!("load --quiet --input {}", archive.display()));
        podman
    }

    /// With what the disk holds; Podman's own /run is beside the host's, where nothing may be left.
    fn again(host: &Host, network: &Value) -> Self {
        let _ = std::fs::remove_dir_all(host.folder().join("podman-run"));
        Self { enclosure: Enclosure::start(host, network, &WAIT) }
    }

    fn podman<'a>(&self, words: impl Iterator<Item = &'a str>) -> Outcome {
        let folder = |name: &str| self.enclosure.path(name);
        let mut command = self.enclosure.command("podman");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command
            .env("CONTAINERS_CONF", folder("containers.conf"))
            .env("HOME", folder("tmp"))
            .env("TMPDIR", folder("tmp"));
        for (option, name) in [("--root", "podman"), ("--runroot", "podman-run"), ("--tmpdir", "podman-run/tmp")] {
            command.arg(option).arg(folder(name));
        }
        run(command.args(["--storage-driver", "vfs"]).args(words), b"")
    }

    /// A command that has to succeed.
    #[track_caller]
    fn say(&self, line: &str) -> String {
        self.podman(line.split_whitespace()).text()
    }

    /// The id of a container with these options that serves [`PAGE`].
    #[track_caller]
    fn serve(&self, options: &str) -> String {
        self.say(&format!("run --detach --pull never {options} {NAME} httpd -f -h /www")).trim().to_owned()
    }

    /// What a script in a container with these options prints, which then is no more.
    fn see(&self, options: &str, script: &str) -> Outcome {
        let line = format!("run --rm --pull never {options} {NAME} sh -c");
        self.podman(line.split_whitespace().chain([script]))
    }

    /// Of a container in a network.
    fn address(&self, container: &str, network: &str) -> String {
        let shown: Value = serde_json::from_str(&self.say(&format!("inspect {container}"))).unwrap();
        shown[0]["NetworkSettings"]["Networks"][network]["IPAddress"].as_str().unwrap().to_owned()
    }
}
