//! Another program has port 53 of the host: names are served nevertheless, and what is its stays its.

use std::time::Duration;

use serde_json::json;
use tests::{Daemon, Host, Lab, built, eventually, holds_within, need, throughout};

use super::{network, web};

const SOON: Duration = Duration::from_secs(10);

/// What the other program answers, whatever it is asked.
const ITS: &str = "192.0.2.66";

/// dnsmasq on port 53 of all addresses.
fn other(host: &Host) -> Daemon {
    need("/usr/sbin/dnsmasq", "dnsmasq-base");
    let daemon = Daemon::start(host, "/usr/sbin/dnsmasq".as_ref(), host.folder().join("dnsmasq.log"), |command| {
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--no-resolv"]);
        command.args(["--no-hosts", "--log-facility=-"]).arg(format!("--address=/#/{ITS}"));
    });
    eventually(SOON, || host.dig_with("@127.0.0.1 any.example A").addresses() == [ITS]);
    daemon
}

/// Elements that lead to netd.
fn led(host: &Host) -> usize {
    host.run("nft list table inet netd").stdout.matches("\"dns br-").count()
}

#[test]
fn names_are_served_where_another_program_has_port_53() {
    let lab = Lab::new();
    let host = lab.host("a");
    let other = other(&host);
    let netd = host.netd();
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|name| host.container(name));
    c1.add(&web());
    c2.add(&web());
    let [v4, v6] = ["A 10.1.0.3", "AAAA 2001:db8:1::3"].map(|it| it.split_once(' ').unwrap());
    // ADD has returned: at once, by both families and protocols.
    for words in ["@10.1.0.1", "@10.1.0.1 +tcp", "@2001:db8:1::1", "@2001:db8:1::1 +tcp"] {
        for (kind, address) in [v4, v6] {
            assert_eq!(
                c1.dig_with(&format!("{words} c2.web.internal {kind}")).addresses(),
                [address],
                "{words} {kind}"
            );
        }
    }
    for on in [1, 0] {
        host.sh(&format!("for it in ip ip6; do echo {on} > /proc/sys/net/bridge/bridge-nf-call-${{it}}tables; done"));
        assert_eq!(c1.dig("c2").addresses(), ["10.1.0.3"], "bridge-nf-call = {on}");
    }
    c3.add(&network("shop", 2, &json!({})));
    assert_eq!(c3.dig("c3").addresses(), ["10.2.0.2"]);
    // What does not come for a gateway over its own bridge is the other program's.
    let ask = "c2.web.internal A";
    assert_eq!(host.dig_with(&format!("@10.1.0.1 {ask}")).addresses(), [ITS]);
    assert_eq!(c1.dig_with(&format!("@10.2.0.1 {ask}")).addresses(), [ITS]);
    host.sh("nft flush ruleset");
    eventually(SOON, || c1.dig_with(ask).addresses() == ["10.1.0.3"] && led(&host) == 8);
    throughout(Duration::from_secs(3), || c1.dig_with(ask).addresses() == ["10.1.0.3"]);
    let log = netd.log();
    let said = log.lines().filter(|line| line.contains("another program has port 53"));
    assert_eq!(said.count(), 4, "once for each address: {log}");
    other.kill();
    netd.stop();
}

#[test]
fn port_53_is_taken_up_when_it_is_free_and_no_question_is_lost_over_that() {
    let lab = Lab::new();
    let host = lab.host("a");
    let other = other(&host);
    let netd = host.netd();
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    c1.add(&web());
    c2.add(&web());
    host.sh(
        r#"nft 'add element inet netd redirected4 { "br-web" . 10.9.0.9 . udp . 53 comment "mine" : 10.9.0.9 . 54 }'"#,
    );
    // Also who asks on from one port, which conntrack remembers.
    let answered = || {
        let asked = ["c2.web.internal A", "-b 10.1.0.2#5353 c2.web.internal A", "+tcp c2.web.internal A"];
        for words in asked {
            assert_eq!(c1.dig_with(words).addresses(), ["10.1.0.3"], "{words}");
        }
    };
    answered();
    assert_eq!(led(&host), 4);
    other.kill();
    let is_free = holds_within(SOON, || {
        answered();
        led(&host) == 0 && !host.run("ss -Hlun sport = 10053").text().contains("10.1.0.1")
    });
    assert!(is_free, "{}", netd.log());
    answered();
    assert!(host.sh("nft list map inet netd redirected4").contains("mine"), "what is not ours stays");
    netd.stop();
}

#[test]
fn what_leads_to_netd_outlives_it_and_goes_with_the_network() {
    let lab = Lab::new();
    let host = lab.host("a");
    let other = other(&host);
    let netd = host.netd();
    let c1 = host.container("c1");
    let attachment = c1.add(&web());
    let answer = || c1.dig_with("c1.web.internal A").addresses();
    assert_eq!((led(&host), answer()), (4, vec!["10.1.0.2".to_owned()]));
    netd.kill();
    assert_eq!(led(&host), 4, "who asks meanwhile must not hear the other program");
    let netd = host.netd();
    assert_eq!(answer(), ["10.1.0.2"]);
    // A person who works on the network is left alone.
    let command = |words: &str| host.sh(&format!("{} {words} web", built("netd").display()));
    command("pause");
    host.sh("nft 'flush map inet netd redirected4; flush map inet netd redirected6'");
    throughout(Duration::from_secs(3), || led(&host) == 0);
    command("resume");
    eventually(SOON, || led(&host) == 4);
    attachment.del().unwrap();
    eventually(SOON, || led(&host) == 0);
    other.kill();
    netd.stop();
}
