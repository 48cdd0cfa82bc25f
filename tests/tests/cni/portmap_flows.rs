//! `portmap`: flows that began before a port was published, or while it was another's, and those of others.

use serde_json::json;
use tests::{Daemon, Host, Lab, eventually, run};

use super::portmap::{PACKET, SECOND, answering, at_one, host_and_outside, list, serving};

/// Where a port is published, where a client asks for it, and where another flow with the same port goes.
const FLOWS: [(&str, &str, &str); 4] = [
    ("", "192.0.2.1", "10.1.2.2"),
    ("", "2001:db8:ff::1", "2001:db8::2"),
    ("192.0.2.9", "192.0.2.9", "192.0.2.1"),
    ("2001:db8:ff::9", "2001:db8:ff::9", "2001:db8:ff::1"),
];

#[test]
fn a_client_that_sends_on_is_heard_by_whoever_has_the_port_now() {
    for (host_ip, whom, other) in FLOWS {
        let lab = Lab::new();
        let (host, outside) = host_and_outside(&lab);
        host.sh("ip address add 192.0.2.9/24 dev to-o; ip address add 2001:db8:ff::9/64 dev to-o nodad");
        outside.sh("ip route add 10.1.2.0/24 via 192.0.2.1; ip route add 2001:db8::/64 via 2001:db8:ff::1");
        let [bystander, c1, c2] = ["b1", "c1", "c2"].map(|name| host.container(name));
        let config = list("1.1.0", &json!({}));
        // Of the host's own addresses the other one is published too, for somebody else.
        let others = if host_ip.is_empty() { json!({}) } else { at_one(8080, other) };
        let _others = (serving(&bystander, &config, &others), answering(&bystander, 8080));
        eventually(SECOND * 10, || outside.pings("2001:db8:ff::1") && host.pings("2001:db8::2"));
        count_new_flows(&host, other);
        let ask = |to: &str, from: u16| asks_from_one_port(&outside, to, from);
        let is_kept = || ask(other, 6666) && host.sh("nft list table inet seen").contains("packets 1 ");
        assert!(is_kept(), "{other}: the other flow begins");
        assert!(!ask(whom, 5555), "{whom}: nobody is there");
        let answers = serving(&c1, &config, &at_one(8080, host_ip));
        eventually(SECOND * 10, || host.pings("2001:db8::3"));
        assert!(ask(whom, 5555), "{whom}: the flow began before the port was published");
        assert!(is_kept(), "{other}: published");
        c1.detach().unwrap();
        drop(answers);
        assert!(!ask(whom, 5555), "{whom}: the flow to the container is forgotten");
        assert!(is_kept(), "{other}: published no more");
        let own = answers_at(&host, whom);
        assert!(ask(whom, 5555), "{whom}: and the host is heard");
        drop(own);
        let _answers = serving(&c2, &config, &at_one(8080, host_ip));
        eventually(SECOND * 10, || host.pings("2001:db8::4"));
        assert!(ask(whom, 5555), "{whom}");
        assert!(is_kept(), "{other}: published again");
    }
}

#[test]
fn flows_to_a_container_of_which_nothing_is_recorded_are_forgotten_too() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    let c1 = host.container("c1");
    let config = list("1.1.0", &json!({}));
    let answers = serving(&c1, &config, &at_one(8080, ""));
    assert!(asks_from_one_port(&outside, "192.0.2.1", 5555));
    host.sh("rm -r /run/netd/attachments/web/*");
    c1.detach().unwrap();
    drop(answers);
    let _own = answering(&host, 8080);
    assert!(asks_from_one_port(&outside, "192.0.2.1", 5555), "the host is heard");
}

/// By UDP, so that all of it is one flow.
fn asks_from_one_port(client: &Host, to: &str, from: u16) -> bool {
    let (to, from) = if to.contains(':') {
        (format!("[{to}]:8080"), format!("[2001:db8:ff::2]:{from}"))
    } else {
        (format!("{to}:8080"), format!("192.0.2.2:{from}"))
    };
    run(client.command(PACKET).args(["ask", "udp", &to, &from]), b"").success()
}

/// Counts flows to port 8080 of an address as they begin, after they are known and before they are led elsewhere.
fn count_new_flows(host: &Host, to: &str) {
    let daddr = if to.contains(':') { "ip6 daddr" } else { "ip daddr" };
    host.sh(&format!(
        "nft 'table inet seen {{ chain in {{ type filter hook prerouting priority -150; \
        {daddr} {to} udp dport 8080 ct state new counter; }}; }}'"
    ));
}

/// At this address alone, from which it then answers.
fn answers_at(host: &Host, address: &str) -> Daemon {
    let at = if address.contains(':') { format!("[{address}]:8080") } else { format!("{address}:8080") };
    let daemon = Daemon::start(host, PACKET.as_ref(), host.folder().join("own.log"), |command| {
        command.args(["answer", &at]);
    });
    eventually(SECOND * 5, || host.sh("ss --listening --numeric --tcp --udp").matches(":8080 ").count() == 2);
    daemon
}
