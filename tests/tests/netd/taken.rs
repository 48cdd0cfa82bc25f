//! Another program has port 53 of the host: names are served nevertheless, and what is its stays its.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tests::{Daemon, Host, Lab, built, eventually, holds_within, need, throughout};

use super::{forwarding::resolver, network, ports::PACKET, web};

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

#[test]
fn what_upstreams_are_asked_when_port_53_becomes_free_is_answered() {
    let lab = Lab::new();
    let [host, outside] = ["a", "o"].map(|name| lab.host(name));
    host.link_to(&outside, "192.0.2.1/24", "192.0.2.53/24");
    host.write_resolv_conf("nameserver 192.0.2.53\n");
    let upstream = resolver(&outside, "203.0.113.7");
    let other = other(&host);
    let netd = host.netd();
    let c1 = host.container("c1");
    c1.add(&web());
    assert_eq!(led(&host), 4);
    upstream.freeze();
    let asks = ["udp.example", "+tcp tcp.example"].map(|question| {
        let log = c1.folder().join(question.rsplit(' ').next().unwrap());
        Daemon::start(&c1, "dig".as_ref(), log, |command| {
            command.args("+time=10 +tries=1 +noall +answer @10.1.0.1".split(' ')).args(question.split(' '));
        })
    });
    let waiting = || host.run("ss -Hun dport = 53").text().lines().count();
    eventually(SOON, || waiting() >= asks.len());
    other.kill();
    // From now on port 53 is netd's.
    eventually(SOON, || led(&host) == 0);
    upstream.thaw();
    for asks in asks {
        eventually(SOON, || asks.log().contains("203.0.113.7"));
    }
    assert_eq!(c1.dig_with("c1.web.internal A").addresses(), ["10.1.0.2"]);
    eventually(SOON, || !host.run("ss -Hlun sport = 10053").text().contains("10.1.0.1"));
    netd.stop();
}

#[test]
fn of_a_network_that_is_paused_nothing_is_led_where_nobody_answers_any_more() {
    let lab = Lab::new();
    let host = lab.host("a");
    let other = other(&host);
    let netd = host.netd();
    let c1 = host.container("c1");
    c1.add(&web());
    // Also who asks on from one port, which conntrack remembers.
    let answers = || ["", "-b 10.1.0.2#5353 "].map(|from| c1.dig_with(&format!("{from}c1.web.internal A")).addresses());
    assert_eq!((led(&host), answers()), (4, [["10.1.0.2"], ["10.1.0.2"]].map(|it| it.map(str::to_owned).to_vec())));
    host.sh(&format!("{} pause web", built("netd").display()));
    netd.kill();
    other.kill();
    let netd = host.netd();
    eventually(SOON, || led(&host) == 0);
    assert_eq!(answers(), [["10.1.0.2"], ["10.1.0.2"]].map(|it| it.map(str::to_owned).to_vec()));
    netd.stop();
}

#[test]
fn where_all_ports_are_taken_the_first_that_becomes_free_is_taken_up() {
    let lab = Lab::new();
    let host = lab.host("a");
    let other = other(&host);
    let mut taken: BTreeMap<u16, Daemon> = (10_053..=10_060).map(|port| (port, takes(&host, port))).collect();
    let bound = || host.run("ss -Hltn sport >= :10053 and sport <= :10060").text().lines().count();
    eventually(SOON, || bound() == taken.len());
    let netd = host.netd();
    let c1 = host.container("c1");
    c1.add(&web());
    let answer = || c1.dig_with("@10.1.0.1 c1.web.internal A").addresses();
    eventually(SOON, || netd.log().contains("names are not served on an address"));
    assert_eq!(answer(), [ITS]);
    taken.remove(&10_058).unwrap().kill();
    eventually(SOON, || answer() == ["10.1.0.2"]);
    assert!(host.sh("nft list map inet netd redirected4").contains(". 10058"), "{}", netd.log());
    other.kill();
    netd.stop();
}

/// Another program on a port of all IPv4 addresses.
fn takes(host: &Host, port: u16) -> Daemon {
    let log = host.folder().join(format!("{port}.log"));
    Daemon::start(host, PACKET.as_ref(), log, |command| {
        command.args(["answer", &format!("0.0.0.0:{port}")]);
    })
}
