//! Hosts on one switch, each with netd and the same peers file.

use serde_json::{Value, json};
use tests::{Container, Daemon, Host, Lab, eventually};

use super::SECOND;

/// How the hosts are addressed, and what the network has.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// The network's mode.
    pub(crate) mode: &'static str,
    /// Whether the underlay is of IPv6.
    pub(crate) underlay_ipv6: bool,
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
    /// The MTU of the underlay.
    pub(crate) mtu: u32,
    /// Whether hosts on a link do without VXLAN.
    pub(crate) direct: bool,
}

impl Shape {
    pub(crate) const DEFAULT: Self =
        Self { mode: "routed", underlay_ipv6: false, ipv4: true, ipv6: false, mtu: 1500, direct: false };
}

impl Default for Shape {
    fn default() -> Self {
        Self::DEFAULT
    }
}

pub(crate) struct Cluster {
    pub(crate) switch: Host,
    pub(crate) hosts: Vec<Host>,
    pub(crate) netd: Vec<Option<Daemon>>,
    shape: Shape,
    /// Where the hosts find each other: lines of `[cluster]`.
    store: String,
}

/// The time-to-live of names of a host that is silent.
pub(crate) const TTL: u64 = 2;

impl Cluster {
    /// `count` hosts, h1 and so on, whose netd is ready.
    pub(crate) fn new(lab: &Lab, count: usize, shape: Shape) -> Self {
        let store = "store = 'static'\npeers = '/run/peers.toml'".to_owned();
        Self::with_store(lab, &switch(lab), count, shape, store)
    }

    /// Two hosts with a container each, c1 and c2, that reach each other.
    pub(crate) fn pair(lab: &Lab, shape: Shape) -> (Self, [Container; 2]) {
        let cluster = Self::new(lab, 2, shape);
        let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
        eventually(SECOND * 3, || c1.pings(&c2.address("eth0")));
        (cluster, [c1, c2])
    }

    /// The same where hosts find each other in another way.
    pub(crate) fn with_store(lab: &Lab, switch: &Host, count: usize, shape: Shape, store: String) -> Self {
        let hosts: Vec<Host> = (1..=count).map(|number| lab.host(&format!("h{number}"))).collect();
        for (host, number) in hosts.iter().zip(1..) {
            join(switch, host, number, shape);
        }
        let mut cluster = Self { switch: switch.clone(), netd: Vec::new(), hosts, shape, store };
        cluster.write_peers(&(1..=count).collect::<Vec<_>>());
        for number in 1..=count {
            let netd = cluster.hosts[number - 1].netd_with(&cluster.settings(number));
            cluster.netd.push(Some(netd));
        }
        let has_lease = |host: &Host| host.run_dir().join("overlays/lab.json").exists();
        eventually(SECOND * 5, || cluster.hosts.iter().all(has_lease));
        cluster
    }

    /// Writes the peers file with these hosts, the same on every host.
    pub(crate) fn write_peers(&self, numbers: &[usize]) {
        self.publish(&numbers.iter().map(|number| self.peer(*number)).collect::<String>());
    }

    /// Writes the peers file, the same on every host.
    pub(crate) fn publish(&self, text: &str) {
        for host in &self.hosts {
            let file = host.folder().join("run/peers.toml");
            let new = file.with_extension("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, file).unwrap();
        }
    }

    fn peer(&self, number: usize) -> String {
        let (address, subnets) = (address(number, self.shape), subnets(number, self.shape));
        format!("[[peer]]\nname = 'h{number}'\naddress = '{address}'\nsubnets = {{ lab = {subnets:?} }}\n\n")
    }

    /// netd's settings on a host.
    pub(crate) fn settings(&self, number: usize) -> String {
        let families = [(self.shape.ipv4, "10.40.0.0/16", 24), (self.shape.ipv6, "fd40::/48", 64)];
        let families: Vec<_> = families.into_iter().filter(|(is_there, ..)| *is_there).collect();
        let subnets: Vec<_> = families.iter().map(|(_, subnet, _)| *subnet).collect();
        let prefixes: Vec<_> = families.iter().map(|(.., prefix)| *prefix).collect();
        let address = address(number, self.shape);
        format!(
            "cni_conf_dir = '/run'\n[host]\nname = 'h{number}'\naddress = '{address}'\n[cluster]\n{}\n\
             ttl = {TTL}\n[[network]]\nname = 'lab'\ndriver = 'overlay'\nsubnet = {subnets:?}\nhost_prefix = {prefixes:?}\n\
             mode = {:?}\ndirect = {}\n",
            self.store, self.shape.mode, self.shape.direct
        )
    }

    /// Starts netd of a host again.
    pub(crate) fn start(&mut self, number: usize) {
        self.netd[number - 1] = Some(self.hosts[number - 1].netd_with(&self.settings(number)));
    }

    /// Gives netd of a host other settings while it runs.
    pub(crate) fn reload(&self, number: usize, settings: &str) {
        let host = &self.hosts[number - 1];
        std::fs::write(host.folder().join("netd.toml"), settings).unwrap();
        host.sh(&format!("kill -HUP {}", self.netd[number - 1].as_ref().unwrap().pid()));
    }

    /// A container in the network, on a host.
    pub(crate) fn container(&self, number: usize, name: &str) -> Container {
        self.container_of(number, name, &lab_network())
    }

    /// The same by another configuration.
    pub(crate) fn container_of(&self, number: usize, name: &str, network: &Value) -> Container {
        let container = self.hosts[number - 1].container(name);
        container.add(network);
        container
    }

    /// netd of every host ends well.
    pub(crate) fn stop(self) {
        self.netd.into_iter().flatten().for_each(Daemon::stop);
    }
}

/// A switch for hosts.
pub(crate) fn switch(lab: &Lab) -> Host {
    let switch = lab.host("s");
    switch.sh("ip link add br0 type bridge; ip link set br0 up");
    switch
}

/// The list that every host has.
pub(crate) fn lab_network() -> Value {
    let dns = json!({"type": "dns", "capabilities": {"aliases": true}});
    json!({"cniVersion": "1.1.0", "name": "lab", "plugins": [{"type": "overlay"}, dns]})
}

/// The VXLAN device of a host.
pub(crate) fn device(host: &Host) -> String {
    let links = host.ip("link show type vxlan");
    let names: Vec<&str> = links.as_array().unwrap().iter().filter_map(|link| link["ifname"].as_str()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].to_owned()
}

/// A cable from a host to the switch.
pub(crate) fn join(switch: &Host, host: &Host, number: usize, shape: Shape) {
    let prefix = if shape.underlay_ipv6 { 64 } else { 24 };
    let ours = format!("{}/{prefix}", address(number, shape));
    host.link_to(switch, &ours, &format!("192.0.2.{number}/32"));
    let port = format!("to-{}", host.name());
    let nodad = format!("ip address del {ours} dev to-s; ip address add {ours} dev to-s nodad");
    host.sh(&format!("ip link set to-s mtu {}; {nodad}", shape.mtu));
    switch.sh(&format!("ip link set {port} mtu {} master br0", shape.mtu));
}

fn address(number: usize, shape: Shape) -> String {
    if shape.underlay_ipv6 { format!("fd50::{number}") } else { format!("192.168.50.{number}") }
}

fn subnets(number: usize, shape: Shape) -> Vec<String> {
    let families = [(shape.ipv4, format!("10.40.{number}.0/24")), (shape.ipv6, format!("fd40:0:0:{number}::/64"))];
    families.into_iter().filter(|(is_there, _)| *is_there).map(|(_, subnet)| subnet).collect()
}
