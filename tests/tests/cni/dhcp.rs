//! `dhcp`: addresses that a server on the link gives, and `netd dhcp`, which keeps them.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Daemon, Host, Lab, eventually, need};

use super::config::{VERSIONS, addresses, since, with};

const SOON: Duration = Duration::from_secs(10);

fn macvlan() -> Value {
    json!({"cniVersion": "1.1.0", "name": "lan", "type": "macvlan", "master": "to-b", "ipam": {"type": "dhcp"}})
}

/// A host with a cable to another, where servers run.
fn lan(lab: &Lab) -> [Host; 2] {
    let [host, far] = ["a", "b"].map(|name| lab.host(name));
    host.link_to(&far, "192.168.50.1/24", "192.168.50.2/24");
    far.sh("ip address add fd50::2/64 dev to-a nodad");
    [host, far]
}

/// An independent server, with these words besides.
fn dnsmasq(far: &Host, words: &str) -> Daemon {
    need("/usr/sbin/dnsmasq", "dnsmasq-base");
    let leases = far.folder().join("leases");
    let daemon = Daemon::start(far, "/usr/sbin/dnsmasq".as_ref(), far.folder().join("dnsmasq.log"), |command| {
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=to-a", "--no-ping"]);
        command.args(["--dhcp-range=192.168.50.100,192.168.50.199,255.255.255.0,1h", "--dhcp-authoritative"]);
        command.args(["--log-dhcp", "--log-facility=-", "--user=root", "--pid-file="]);
        command.arg(format!("--dhcp-leasefile={}", leases.display())).args(words.split_whitespace());
    });
    eventually(SOON, || daemon.log().contains("DHCP, IP range") || daemon.log().contains("DHCPv6, IP range"));
    daemon
}

#[test]
fn a_container_gets_what_a_server_gives_and_gives_it_back() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let server = dnsmasq(&far, "");
    let _keeper = host.keeper();
    let c1 = host.container("c1");
    let attachment = c1.add(&macvlan());
    let result = attachment.result();
    eprintln!("{result:#}\n{}", server.log());
    assert!(c1.pings("192.168.50.2"));
    assert_eq!(attachment.check(), Ok(()));
    attachment.del().unwrap();
    eventually(SOON, || server.log().contains("DHCPRELEASE"));
}
