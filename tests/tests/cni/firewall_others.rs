//! `firewall` on a host that has other firewalls: an operator's chain, packets that nobody knows, Docker, ufw, firewalld.

use serde_json::{Value, json};
use tests::{Container, Host, Lab, Node, Outcome, REFERENCE, built, holds_within};

use super::config::with;
use super::firewall::{network, policy};
use super::portmap::{PACKET, SECOND, host_and_outside};

/// A host and one outside that knows the way back, and a container that is not attached yet.
fn host_outside_container(lab: &Lab) -> (Host, Host, Container) {
    let (host, outside) = host_and_outside(lab);
    outside.sh("ip route add 10.1.0.0/16 via 192.0.2.1; ip route add 2001:db8:1::/48 via 2001:db8:ff::1");
    let c1 = host.container("c1");
    (host, outside, c1)
}

/// A host whose FORWARD policy is Docker's, with a rule of the operator's.
pub(crate) fn docker(host: &Host) {
    for iptables in ["iptables", "ip6tables"] {
        host.sh(&format!(
            "{iptables} -P FORWARD DROP; {iptables} -N DOCKER-USER; {iptables} -I FORWARD -j DOCKER-USER; \
             {iptables} -A DOCKER-USER -i other -j DROP; {iptables} -A DOCKER-USER -j RETURN"
        ));
    }
}

pub(crate) fn docker_user(host: &Host) -> Vec<String> {
    let shown = host.sh("iptables -S DOCKER-USER; ip6tables -S DOCKER-USER");
    shown.lines().map(str::to_owned).collect()
}

/// How many programs an ADD of the plugin starts.
fn programs(container: &Container, config: &Value) -> usize {
    let attachment = container.keep(container.attachment(config, "eth0"));
    let result = attachment.add().unwrap();
    let trace = attachment.call("ADD", 1, Some(&result)).trace(None);
    trace.programs
}

#[test]
fn packets_pass_docker_while_there_is_a_container() {
    let lab = Lab::new();
    let (host, outside, c1) = host_outside_container(&lab);
    docker(&host);
    let before = docker_user(&host);
    let config = network("web", 2, Some(&policy("same-bridge")));
    let attachment = c1.add(&config);
    assert!(c1.pings("192.0.2.2"));
    assert!(holds_within(SECOND * 10, || c1.pings("2001:db8:ff::2")));
    assert!(!outside.pings("10.1.2.2"), "the policy holds all the same");
    let rules = docker_user(&host);
    assert_eq!(rules.len(), before.len() + 4, "{rules:?}");
    assert!(rules[1].ends_with("-i other -j DROP"), "the operator's come first: {rules:?}");
    assert_eq!((attachment.check(), host.status(&config)), (Ok(()), Ok(())));
    let c2 = host.container("c2");
    assert_eq!(programs(&c2, &config), 0, "what is open is not opened again");
    attachment.del().unwrap();
    assert_eq!(docker_user(&host), rules, "the other container goes on");
    c2.detach().unwrap();
    assert_eq!(docker_user(&host), before);
    // Docker may be gone by then.
    let attachment = c1.add(&config);
    for iptables in ["iptables", "ip6tables"] {
        host.sh(&format!("{iptables} -F; {iptables} -X"));
    }
    attachment.del().unwrap();
}

#[test]
fn what_an_operator_let_through_stays_the_operators() {
    let lab = Lab::new();
    let (host, _outside, c1) = host_outside_container(&lab);
    docker(&host);
    for iptables in ["iptables", "ip6tables"] {
        for (way, word) in [("-i", "from"), ("-o", "to")] {
            let comment = format!("-m comment --comment 'netd {word} br-web'");
            host.sh(&format!("{iptables} -I DOCKER-USER {way} br-web {comment} -j ACCEPT"));
        }
    }
    let before = docker_user(&host);
    let attachment = c1.add(&network("web", 2, Some(&json!({}))));
    assert!(c1.pings("192.0.2.2"));
    attachment.del().unwrap();
    assert_eq!(docker_user(&host), before);
}

/// A program that was killed may have added it a moment after it was looked for.
#[test]
fn a_rule_that_was_added_twice_is_removed_twice() {
    let lab = Lab::new();
    let (host, _outside, c1) = host_outside_container(&lab);
    docker(&host);
    let before = docker_user(&host);
    let attachment = c1.add(&network("web", 2, Some(&json!({}))));
    host.sh("iptables -I DOCKER-USER -i br-web -m comment --comment 'netd from br-web' -j ACCEPT");
    attachment.del().unwrap();
    assert_eq!(docker_user(&host), before);
}

#[test]
fn a_rule_that_somebody_deleted_is_missed_and_put_back() {
    let lab = Lab::new();
    let (host, _outside, c1) = host_outside_container(&lab);
    docker(&host);
    c1.add(&network("web", 2, Some(&json!({}))));
    let rules = docker_user(&host);
    host.sh("iptables -D DOCKER-USER -i br-web -m comment --comment 'netd from br-web' -j ACCEPT");
    assert_eq!(c1.check().unwrap_err().code, 103);
    let _netd = host.netd();
    let is_back = || {
        let (mut now, mut then) = (docker_user(&host), rules.clone());
        now.sort();
        then.sort();
        now == then
    };
    assert!(holds_within(SECOND * 90, is_back), "{:?}", docker_user(&host));
    assert_eq!(c1.check(), Ok(()));
}

/// Of a firewall that offers no place for us, what to do is said until it is done.
#[test]
fn what_holds_packets_back_is_said_with_the_command_that_lets_them_through() {
    for (made, command) in [
        (
            "iptables -P FORWARD DROP",
            "iptables -I FORWARD -i br-web -j ACCEPT; iptables -I FORWARD -o br-web -j ACCEPT",
        ),
        (
            "iptables -P FORWARD DROP; iptables -N ufw-user-forward",
            "ufw route allow in on br-web; ufw route allow out on br-web",
        ),
        (
            "nft 'add table inet mine; add chain inet mine through { type filter hook forward priority 0; policy drop; }'",
            "nft insert rule inet mine through iifname \"br-web\" accept; nft insert rule inet mine through oifname \"br-web\" accept",
        ),
        (
            "ip6tables -P FORWARD DROP",
            "ip6tables -I FORWARD -i br-web -j ACCEPT; ip6tables -I FORWARD -o br-web -j ACCEPT",
        ),
    ] {
        let lab = Lab::new();
        let (host, _outside, c1) = host_outside_container(&lab);
        let config = network("web", 2, Some(&json!({})));
        host.sh(made);
        assert_eq!(host.status(&config), Ok(()), "no interface is known yet");
        let attachment = c1.add(&config);
        let checked = || host.run(&format!("{} check", built("netd").display()));
        for (refusal, code) in [(attachment.check().unwrap_err(), 103), (host.status(&config).unwrap_err(), 51)] {
            assert!(refusal.code == code && refusal.msg.ends_with(&format!(": {command}")), "{refusal:?}");
        }
        assert!(says(&checked(), command), "{made}: {:?}", checked());
        // What ufw makes of its command.
        let done = if made.contains("ufw") { "iptables -A ufw-user-forward -i br-web -j ACCEPT" } else { command };
        host.sh(done);
        assert_eq!((attachment.check(), host.status(&config)), (Ok(()), Ok(())), "{made}");
        assert!(!says(&checked(), command));
        attachment.del().unwrap();
    }
}

fn says(outcome: &Outcome, words: &str) -> bool {
    outcome.stdout.contains(words)
}

/// By the subnet as well.
#[test]
fn what_is_let_through_by_its_addresses_is_let_through() {
    let lab = Lab::new();
    let (host, _outside, c1) = host_outside_container(&lab);
    let config = network("web", 2, Some(&json!({})));
    c1.add(&config);
    for subnet in ["10.1.0.0/16", "10.0.0.0/8", "10.1.2.0/24", "10.1.0.0/22"] {
        host.sh(&format!("iptables -P FORWARD DROP; iptables -A FORWARD -s {subnet} -j ACCEPT"));
        assert_eq!((c1.check(), host.status(&config)), (Ok(()), Ok(())), "{subnet}");
        host.sh("iptables -F FORWARD");
    }
    host.sh("iptables -A FORWARD -s 10.2.0.0/16 -j ACCEPT");
    assert_eq!(host.status(&config).unwrap_err().code, 51);
}

/// Here firewalld is its table, and a program that does to it what firewalld would.
fn firewalld(host: &Host) {
    host.sh(
        "nft 'add table inet firewalld; add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; }; \
         add chain inet firewalld zones; add rule inet firewalld filter_FORWARD ct state established,related accept; \
         add rule inet firewalld filter_FORWARD jump zones; add rule inet firewalld filter_FORWARD reject'",
    );
    let log = host.folder().join("busctl.log");
    let script = format!(
        "#!/bin/sh\necho \"$*\" >> {log}\nshift 6\n[ $3 = nowhere ] && {{ echo INVALID_ZONE: nowhere >&2; exit 1; }}\n\
         case $1 in\naddInterface) nft add rule inet firewalld zones iifname $4 accept;\n\
         nft add rule inet firewalld zones oifname $4 accept;;\nremoveInterface) nft flush chain inet firewalld zones;;\nesac\n",
        log = log.display()
    );
    std::fs::write(host.folder().join("busctl"), script).unwrap();
    host.sh(&format!("chmod +x {}", host.folder().join("busctl").display()));
}

#[test]
fn packets_pass_firewalld_while_there_is_a_container() {
    let lab = Lab::new();
    let (host, _outside, c1) = host_outside_container(&lab);
    firewalld(&host);
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", host.folder().display());
    let config = network("web", 2, Some(&json!({"firewalldZone": "containers"})));
    let calls = || std::fs::read_to_string(host.folder().join("busctl.log")).unwrap_or_default();
    let interface = c1.keep(c1.attachment(&config, "eth0"));
    let result = interface.call("ADD", 0, None).run().answer().unwrap();
    let call = |command: &str, keys: &Value| {
        let mut call = with(config["plugins"][1].clone(), keys);
        call["name"] = "web".into();
        call["cniVersion"] = "1.1.0".into();
        call["prevResult"] = result.clone();
        c1.call("firewall", command).env("PATH", &path).config(&call).run().answer()
    };
    let refusal = call("ADD", &json!({"firewalldZone": "nowhere"})).unwrap_err();
    assert!(refusal.msg.contains("--zone=nowhere") && refusal.msg.contains("INVALID_ZONE"), "{refusal:?}");
    std::fs::remove_file(host.folder().join("busctl.log")).unwrap();
    call("ADD", &json!({"backend": "iptables"})).unwrap();
    assert_eq!(calls(), "", "it is told to leave firewalld alone");
    assert!(!c1.pings("192.0.2.2"));
    assert_eq!(call("CHECK", &json!({})).unwrap_err().code, 103);
    call("ADD", &json!({})).unwrap();
    let place = "org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 org.fedoraproject.FirewallD1.zone";
    let added = format!("--system --timeout=10 call {place} addInterface ss containers br-web\n");
    assert_eq!(calls(), added);
    assert!(c1.pings("192.0.2.2"));
    call("CHECK", &json!({})).unwrap();
    call("ADD", &json!({})).unwrap();
    assert_eq!(calls(), added, "it is open");
    call("DEL", &json!({})).unwrap();
    assert_eq!(calls(), added.clone() + &added.replace("add", "remove"));
    // firewalld is gone, and its table is there.
    call("ADD", &json!({})).unwrap();
    std::fs::write(host.folder().join("busctl"), "#!/bin/sh\necho Call failed: ServiceUnknown >&2; exit 1").unwrap();
    call("DEL", &json!({})).unwrap();
    interface.call("DEL", 0, Some(&result)).run().answer().unwrap();
}

#[test]
fn an_operators_chain_is_asked_first_and_never_flushed() {
    for (keys, chain) in [(json!({}), "CNI-ADMIN"), (json!({"iptablesAdminChainName": "My_chain-1"}), "My_chain-1")] {
        let lab = Lab::new();
        let (host, _outside, c1) = host_outside_container(&lab);
        // Before the first container, too.
        host.sh(&format!(
            "nft 'add table inet netd; add chain inet netd {chain}; add rule inet netd {chain} ip daddr 192.0.2.2 drop'"
        ));
        let config = network("web", 2, Some(&keys));
        let attachment = c1.add(&config);
        assert!(!c1.pings("192.0.2.2"), "{chain}");
        // An older program is replaced.
        host.sh("nft delete chain inet netd postrouting");
        assert!(attachment.check().is_err());
        attachment.del().unwrap();
        let attachment = c1.add(&config);
        assert_eq!(attachment.check(), Ok(()));
        assert!(!c1.pings("192.0.2.2"), "{chain} after the program was loaded again");
        host.sh(&format!("nft flush chain inet netd {chain}"));
        assert!(c1.pings("192.0.2.2"));
        assert_eq!(attachment.check(), Ok(()), "what is in it is the operator's");
        assert_eq!(programs(&host.container("c2"), &config), 0);
        assert_eq!(host.sh("nft list chain inet netd admin").matches("jump").count(), 1);
    }
}

#[test]
fn rules_of_the_reference_plugin_go_with_their_container() {
    let lab = Lab::new();
    let (host, _outside, c1) = host_outside_container(&lab);
    let config = network("web", 2, Some(&json!({})));
    let attachment = c1.keep(c1.attachment(&config, "eth0"));
    let result = attachment.call("ADD", 0, None).run().answer().unwrap();
    let of_reference = |version: &str| {
        let mut call = json!({"cniVersion": version, "name": "web", "type": "firewall", "backend": "iptables"});
        call["prevResult"] = result.clone();
        call["prevResult"]["cniVersion"] = version.into();
        call
    };
    let other = |result: &Value| result.to_string().replace("10.1.2.2/24", "10.1.2.20/24");
    let mut others = of_reference("1.0.0");
    others["prevResult"] = serde_json::from_str(&other(&others["prevResult"])).unwrap();
    for call in [of_reference("1.0.0"), others] {
        let reference = c1.call(&format!("{REFERENCE}/firewall"), "ADD").env("CNI_PATH", REFERENCE);
        reference.config(&call).run().answer().unwrap();
    }
    let rules = || host.sh("iptables -S CNI-FORWARD; ip6tables -S CNI-FORWARD");
    assert!(rules().contains("10.1.2.2/32") && rules().contains("2001:db8:1:2::2/128"), "{}", rules());
    attachment.call("DEL", 1, Some(&result)).run().answer().unwrap();
    assert!(!rules().contains("10.1.2.2/32") && !rules().contains("2001:db8:1:2::2/128"), "{}", rules());
    assert!(rules().contains("10.1.2.20/32"), "another container's stay: {}", rules());
    attachment.del().unwrap();
}

/// An answer that nobody asked for, which conntrack does not know.
#[test]
fn a_packet_that_would_have_been_translated_and_is_not_does_not_leave() {
    let firewall = policy("open");
    for (masquerade, firewall, seen) in [(true, Some(&firewall), 0), (false, Some(&firewall), 2), (true, None, 2)] {
        let lab = Lab::new();
        let (host, outside, c1) = host_outside_container(&lab);
        outside.sh("nft 'add table inet seen; add chain inet seen in { type filter hook input priority 0; }; \
             add rule inet seen in icmp type echo-reply ip saddr 10.1.0.0/16 counter; \
             add rule inet seen in icmpv6 type echo-reply ip6 saddr 2001:db8:1::/48 counter'");
        let mut config = network("web", 2, firewall);
        config["plugins"][0]["ipMasq"] = masquerade.into();
        c1.add(&config);
        assert!(holds_within(SECOND * 10, || host.pings("2001:db8:1:2::2") && outside.pings("2001:db8:ff::1")));
        c1.sh(&format!("{PACKET} send 1 192.0.2.2 0; {PACKET} send 58 2001:db8:ff::2 129"));
        let counted = || count(&outside);
        assert_eq!(holds_within(SECOND, || counted() == 2), seen == 2, "{masquerade}: {}", counted());
        assert_eq!(counted(), seen);
        assert!(c1.pings("192.0.2.2"));
    }
}

fn count(node: &Node) -> u64 {
    let ruleset = node.run("nft -j list table inet seen").json();
    let counters = ruleset["nftables"].as_array().unwrap().iter().filter_map(|object| {
        object["rule"]["expr"].as_array()?.iter().find_map(|part| part["counter"]["packets"].as_u64())
    });
    counters.sum()
}
