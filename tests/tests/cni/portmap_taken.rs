//! `portmap`: a port of the host that somebody has is not stolen.

use serde_json::{Value, json};
use tests::{Container, Daemon, Lab, eventually};

use super::portmap::{PACKET, SECOND, answering, at, attachment, host_and_outside, list, reaches, serving};

/// The refusal of one that wants TCP port 8080.
fn refused(container: &Container, config: &Value) -> (u64, String) {
    let attachment = attachment(container, config, &at(8080));
    let refusal = attachment.add().unwrap_err();
    attachment.del().unwrap();
    (refusal.code, refusal.msg)
}

#[test]
fn a_port_that_somebody_has_is_refused_with_its_owner() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let config = list("1.1.0", &json!({}));
    let answers = serving(&c1, &config, &at(8080));
    let before = host.kernel_text();
    let text = "host port 8080/tcp is published already by attachment web/c1/eth0".to_owned();
    assert_eq!(refused(&c2, &config), (101, text));
    assert_eq!(host.changes_since(&before), [""; 0]);
    assert!(reaches(&outside, "192.0.2.1:8080"), "the first has it still");
    let at_one =
        json!({"portMappings": [{"hostPort": 8080, "containerPort": 1, "protocol": "tcp", "hostIP": "192.0.2.1"}]});
    let stolen = attachment(&c2, &config, &at_one);
    let refusal = stolen.add().unwrap_err();
    assert_eq!((refusal.code, refusal.msg.contains("web/c1/eth0")), (101, true), "{refusal:?}");
    stolen.del().unwrap();
    c1.detach().unwrap();
    drop(answers);
    let own = answering(&host, 8080);
    let (code, msg) = refused(&c2, &config);
    assert_eq!(code, 101);
    assert_eq!(msg, format!("host port 8080/tcp is in use by process \"packet\" ({})", own.pid()));
    drop(own);
    let _answers = serving(&c2, &config, &at(8080));
    assert!(reaches(&outside, "192.0.2.1:8080"));
}

/// By protocol, by address and by family.
#[test]
fn a_socket_is_in_the_way_of_what_it_hears_alone() {
    let lab = Lab::new();
    let (host, _outside) = host_and_outside(&lab);
    host.sh("ip address add 192.0.2.9/24 dev to-o");
    let c1 = host.container("c1");
    let config = list("1.1.0", &json!({}));
    for (listener, of_ipv6_alone, allowed, refused) in [
        ("answer-udp 0.0.0.0:8080", 0, &[("tcp", "")][..], &[("udp", ""), ("udp", "192.0.2.9")][..]),
        (
            "answer 192.0.2.1:8080",
            0,
            &[("tcp", "192.0.2.9"), ("udp", "192.0.2.9"), ("tcp", "::"), ("udp", "::")],
            &[("tcp", ""), ("udp", "0.0.0.0"), ("tcp", "192.0.2.1"), ("udp", "192.0.2.1")],
        ),
        (
            "answer [::]:8080",
            1,
            &[("tcp", "0.0.0.0"), ("udp", "192.0.2.9")],
            &[("tcp", "::"), ("udp", "2001:db8:ff::1"), ("tcp", "")],
        ),
        ("answer [::]:8080", 0, &[], &[("tcp", "0.0.0.0"), ("udp", "192.0.2.9"), ("udp", "::")]),
    ] {
        host.sh(&format!("echo {of_ipv6_alone} > /proc/sys/net/ipv6/bindv6only"));
        let daemon = Daemon::start(&host, PACKET.as_ref(), host.folder().join("listener.log"), |command| {
            command.args(listener.split(' '));
        });
        let sockets = if listener.contains("udp") { 1 } else { 2 };
        let shown = || host.sh("ss --listening --numeric --tcp --udp").matches(":8080 ").count();
        eventually(SECOND * 5, || shown() == sockets);
        for (mappings, expected) in [(allowed, None), (refused, Some(101))] {
            for (protocol, host_ip) in mappings {
                let mapping = json!({"hostPort": 8080, "containerPort": 80, "protocol": protocol, "hostIP": host_ip});
                let attachment = attachment(&c1, &config, &json!({"portMappings": [mapping]}));
                let code = attachment.add().err().map(|refusal| refusal.code);
                assert_eq!(code, expected, "{protocol} at {host_ip:?} beside {listener}, {of_ipv6_alone}");
                attachment.del().unwrap();
            }
        }
        drop(daemon);
    }
}

#[test]
fn a_placeholder_of_the_containers_own_manager_is_no_obstacle() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let placeholder = Daemon::start(&host, PACKET.as_ref(), host.folder().join("conmon.log"), |command| {
        command.args(["answer", "0.0.0.0:8080", "c1"]);
    });
    eventually(SECOND * 5, || host.sh("ss --listening --numeric --tcp --udp").matches(":8080 ").count() == 2);
    let config = list("1.1.0", &json!({}));
    assert_eq!(refused(&host.container("c2"), &config).0, 101);
    let attachment = c1.keep(attachment(&c1, &config, &at(8080)));
    // As `podman network reload` does.
    for _ in 0..2 {
        attachment.add().unwrap();
        attachment.del().unwrap();
    }
    drop(placeholder);
}

#[test]
fn what_a_dead_container_published_is_taken_back() {
    let lab = Lab::new();
    let host = lab.host("a");
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let config = list("1.1.0", &json!({}));
    let first = c1.keep(attachment(&c1, &config, &at(8080)));
    first.add().unwrap();
    first.forget();
    c1.vanish();
    eventually(SECOND * 5, || !host.sh("ip link").contains("veth"));
    let _answers = serving(&c2, &config, &at(8080));
    assert!(reaches(&host, "127.0.0.1:8080"));
    assert!(host.leftovers().iter().all(|line| !line.contains("c1")), "{:?}", host.leftovers());
}

#[test]
fn a_container_in_two_networks_has_its_ports_in_the_first() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let _answers = serving(&c1, &list("1.1.0", &json!({})), &at(8080));
    let mut other = list("1.1.0", &json!({}));
    other["name"] = "other".into();
    other["plugins"][0]["bridge"] = "br-other".into();
    other["plugins"][0]["isDefaultGateway"] = false.into();
    other["plugins"][0]["isGateway"] = true.into();
    other["plugins"][0]["ipam"]["ranges"] = json!([[{"subnet": "10.1.3.0/24"}]]);
    let second = c1.keep(c1.attachment(&other, "eth1").capabilities(&at(8080)));
    second.add().unwrap();
    assert!(reaches(&host, "127.0.0.1:8080"));
    c1.check().unwrap();
    second.del().unwrap();
    assert!(reaches(&host, "127.0.0.1:8080"));
}
