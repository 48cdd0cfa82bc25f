//! Which names a container finds, and which it does not.

use serde_json::{Value, json};
use tests::{Container, Lab};

use super::{network, web};

fn add_with(container: &Container, config: &Value, capabilities: &Value, args: &str) {
    let attachment = container.attachment(config, "eth0").capabilities(capabilities).args(args);
    let result = container.keep(attachment).add().unwrap();
    container.write_resolv_conf(&format!(
        "nameserver {}\nsearch {}\n",
        result["dns"]["nameservers"][0].as_str().unwrap(),
        result["dns"]["search"][0].as_str().unwrap()
    ));
}

#[test]
fn two_containers_in_one_network_reach_each_other_by_name() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    c1.add(&web());
    c2.add(&web());
    // ADD returned, so the name is there.
    assert_eq!(c1.dig("c2").addresses(), [c2.address("eth0")]);
    assert_eq!(c2.dig("c1.web.internal").addresses(), [c1.address("eth0")]);
    assert_eq!(c1.dig_with("c2.web.internal AAAA").addresses(), ["2001:db8:1::3"]);
    assert_eq!(c1.dig("c1").addresses(), [c1.address("eth0")], "its own name");
    assert!(c1.pings("c2"));
    assert!(c1.pings("c2.web.internal"));
    netd.stop();
}

#[test]
fn the_result_names_the_server_and_the_domain() {
    let lab = Lab::new();
    let host = lab.host("a");
    let result = host.container("c1").add(&web()).result();
    let servers = result["dns"]["nameservers"].as_array().unwrap();
    assert_eq!(servers[0], "10.1.0.1");
    assert!(servers.iter().all(|server| server == "10.1.0.1" || server == "2001:db8:1::1"), "{result}");
    assert_eq!(result["dns"]["search"], json!(["web.internal"]));
    let named = network("web", 1, &json!({"domain": "example.test"}));
    let result = host.container("c2").add(&named).result();
    assert_eq!(result["dns"]["search"], json!(["example.test"]));
}

#[test]
fn a_name_is_gone_when_del_returns() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    c1.add(&web());
    let attachment = c2.add(&web());
    assert_eq!(c1.dig("c2").status, "NOERROR");
    attachment.del().unwrap();
    assert_eq!(c1.dig_with("c2.web.internal A").status, "NXDOMAIN");
    netd.stop();
}

#[test]
fn what_a_container_is_told_about_a_name() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    c1.add(&web());
    c2.add(&web());
    let cases: [(&str, &str, &[&str]); 12] = [
        ("c2.web.internal A", "NOERROR", &["10.1.0.3"]),
        ("C2.Web.Internal A", "NOERROR", &["10.1.0.3"]),
        ("c2 A", "NOERROR", &["10.1.0.3"]),
        ("c2.web.internal AAAA", "NOERROR", &["2001:db8:1::3"]),
        ("c2.web.internal MX", "NOERROR", &[]),
        ("c2.web.internal HTTPS", "NOERROR", &[]),
        ("web.internal A", "NOERROR", &[]),
        ("c9.web.internal A", "NXDOMAIN", &[]),
        ("a.c2.web.internal A", "NXDOMAIN", &[]),
        ("c9 A", "NXDOMAIN", &[]),
        ("+tcp c2.web.internal A", "NOERROR", &["10.1.0.3"]),
        ("@2001:db8:1::1 c2.web.internal A", "NOERROR", &["10.1.0.3"]),
    ];
    for (question, status, addresses) in cases {
        let answer = c1.dig_with(question);
        assert_eq!(
            (&*answer.status, answer.addresses()),
            (status, addresses.iter().map(|a| (*a).to_owned()).collect()),
            "{question}"
        );
    }
    netd.stop();
}

#[test]
fn an_address_leads_back_to_its_name() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let c1 = host.container("c1");
    c1.add(&web());
    for address in ["10.1.0.2", "2001:db8:1::2"] {
        let answer = c1.dig_with(&format!("-x {address}"));
        assert_eq!((&*answer.status, &*answer.records[0][4]), ("NOERROR", "c1.web.internal."), "{address}");
    }
    assert_eq!(c1.dig_with("-x 10.1.0.99").status, "NXDOMAIN", "the network's own reverse names");
    netd.stop();
}

#[test]
fn names_are_for_the_network_that_has_them() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let [c1, c2, both] = ["c1", "c2", "both"].map(|name| host.container(name));
    let other = network("other", 2, &json!({}));
    c1.add(&web());
    c2.add(&other);
    both.add(&web());
    both.keep(both.attachment(&other, "eth1")).add().unwrap();
    for (container, name, found) in [(&c1, "c2.other.internal", 0), (&c2, "c1.web.internal", 0), (&c1, "both", 1)] {
        assert_eq!(container.dig(name).addresses().len(), found, "{name} asked by {}", container.name());
    }
    // A gateway answers who comes over its own bridge, and nobody whom the host would let through to it.
    assert_eq!(c1.dig_with("@10.2.0.1 +time=1 c2.other.internal A").status, "silence");
    assert_eq!(host.dig_with("@10.1.0.1 c1.web.internal A").addresses(), ["10.1.0.2"], "its own host");
    // Whichever gateway it asks, it gets the names of both its networks.
    for gateway in ["10.1.0.1", "10.2.0.1"] {
        for (name, address) in [("c1.web.internal", "10.1.0.2"), ("c2.other.internal", "10.2.0.2")] {
            assert_eq!(both.dig_with(&format!("@{gateway} {name} A")).addresses(), [address], "{name} at {gateway}");
        }
    }
    netd.stop();
}

/// Subnet, gateway, addresses and bare names are the same; what tells who asks is the bridge alone.
#[test]
fn networks_with_the_same_subnet_do_not_hear_each_others_names() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let [of_one, of_two, more] = ["of-one", "of-two", "more"].map(|name| host.container(name));
    let [one, two] = ["one", "two"].map(|name| network(name, 1, &json!({"names": ["db"]})));
    of_one.add(&one);
    of_two.add(&two);
    assert_eq!(of_one.address("eth0"), of_two.address("eth0"));
    more.add(&two);
    let addresses = |asker: &Container, name: &str| asker.dig(name).addresses();
    let both = || [of_two.address("eth0"), more.address("eth0")].into_iter().collect();
    assert_eq!((addresses(&of_one, "db"), addresses(&of_two, "db")), ([of_one.address("eth0")].into(), both()));
    for (asker, own, others) in [(&of_one, "of-one.one.internal", "more.two.internal"), (&of_two, "more", "of-one")] {
        assert_eq!((addresses(asker, own).len(), addresses(asker, others).len()), (1, 0), "{}", asker.name());
    }
    netd.stop();
}

#[test]
fn every_source_of_names_is_heard() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let asker = host.container("asker");
    asker.add(&web());
    let labels = |key: &str, value: &str| {
        let mut config = web();
        config["plugins"][1]["args"] = json!({"cni": {"labels": [{"key": key, "value": value}]}});
        config
    };
    let kubernetes = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-7";
    let cases = [
        ("l1", web(), json!({"aliases": ["db", "Store"]}), "", &["db", "store"][..]),
        ("l2", web(), json!({"aliases": {"web": ["pod-man"], "other": ["elsewhere"]}}), "", &["pod-man"]),
        ("l3", labels("netd.name", "labelled"), json!({}), "", &["labelled"]),
        ("l4", web(), json!({}), kubernetes, &["cart-7.shop"]),
    ];
    for (container, config, capabilities, args, names) in cases {
        let container = host.container(container);
        add_with(&container, &config, &capabilities, args);
        for name in names {
            let found = asker.dig_with(&format!("{name}.web.internal A"));
            assert_eq!(found.addresses(), [container.address("eth0")], "{name}");
        }
    }
    for absent in ["elsewhere", "cart-7"] {
        assert_eq!(asker.dig_with(&format!("{absent}.web.internal A")).status, "NXDOMAIN", "{absent}");
    }
    netd.stop();
}

#[test]
fn all_who_share_a_name_are_returned() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let config = network("web", 1, &json!({"names": ["shop"]}));
    let containers = ["c1", "c2", "c3"].map(|name| host.container(name));
    let mut attachments = containers.each_ref().map(|container| container.add(&config)).to_vec();
    assert_eq!(containers[0].dig("shop").addresses(), ["10.1.0.2", "10.1.0.3", "10.1.0.4"]);
    let first = |_| containers[0].dig("shop").records[0][4].clone();
    let seen: std::collections::BTreeSet<String> = (0..30).map(first).collect();
    assert!(seen.len() > 1, "shuffled: {seen:?}");
    attachments.pop().unwrap().del().unwrap();
    assert_eq!(containers[0].dig("shop").addresses(), ["10.1.0.2", "10.1.0.3"]);
    netd.stop();
}

#[test]
fn a_network_without_a_gateway_has_no_names() {
    let lab = Lab::new();
    let host = lab.host("a");
    let mut config = web();
    config["plugins"][0]["isDefaultGateway"] = false.into();
    let attachment = host.container("c1").attachment(&config, "eth0");
    let refusal = attachment.add().unwrap_err();
    assert_eq!(refusal.code, 7, "{refusal:?}");
    assert!(refusal.msg.contains("web") && refusal.msg.contains("gateway"), "{refusal:?}");
    attachment.del().unwrap();
}

#[test]
fn names_are_shown_with_and_without_the_daemon() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    c1.add(&web());
    let shown = |words: &str| host.netd_show(words);
    assert!(shown("names").contains("c1.web.internal"), "{}", shown("names"));
    let json: Value = serde_json::from_str(&shown("names --json")).unwrap();
    assert!(json.to_string().contains("c1"), "{json}");
    for words in ["networks", "attachments", "plan"] {
        let table = shown(words);
        assert!(!table.is_empty(), "{words}");
        assert!(serde_json::from_str::<Value>(&shown(&format!("{words} --json"))).is_ok(), "{words}");
    }
    let netd = host.netd();
    assert!(shown("attachments").contains("c1"));
    netd.stop();
}

/// `web` on two containers, with what Kubernetes, Swarm and Compose ask of a service.
#[test]
fn a_service_is_found_with_its_ports_and_each_of_its_containers() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let [c1, c2, client] = ["c1", "c2", "client"].map(|name| host.container(name));
    let config = network(
        "web",
        1,
        &json!({
            "services": [{"name": "http", "port": 80}], "txtLabels": ["version"],
            "records": [
                {"name": "www", "type": "CNAME", "data": "two"}, {"name": "printer", "type": "A", "data": "192.0.2.9"}
            ],
            "capabilities": {"aliases": true, "portMappings": true}
        }),
    );
    let labels = json!([{"key": "version", "value": "7"}]);
    let mut labelled = config.clone();
    labelled["plugins"][1]["args"] = json!({"cni": {"labels": labels}});
    let ports = json!({"aliases": ["one", "web"], "portMappings": [{"hostPort": 8080, "containerPort": 8000}]});
    add_with(&c1, &labelled, &ports, "");
    add_with(&c2, &config, &json!({"aliases": ["two", "web", "*.wild"]}), "");
    add_with(&client, &config, &json!({}), "");
    let [first, second] = [c1.address("eth0"), c2.address("eth0")];
    assert_eq!(client.dig("web").addresses(), [&*first, &*second]);
    let services = client.dig_with("_http._tcp.web.web.internal SRV").data(&["SRV"]);
    assert_eq!(services, ["0 0 80 one.web.internal.", "0 0 80 two.web.internal."]);
    assert_eq!(client.dig_with("_8000._tcp.one SRV").data(&["SRV"]), ["0 0 8000 one.web.internal."]);
    assert_eq!(client.dig_with("one.web.internal TXT").data(&["TXT"]), ["\"version=7\""]);
    assert_eq!(client.dig("two.web.web.internal").addresses(), [&*second]);
    assert_eq!(client.dig("tasks.two").addresses(), [&*second]);
    assert_eq!(client.dig("any.wild").addresses(), [&*second]);
    assert_eq!(client.dig("www").addresses(), [&*second]);
    assert_eq!(client.dig("printer.web.internal").addresses(), ["192.0.2.9"]);
    assert_eq!(client.dig("host.docker.internal").addresses(), ["10.1.0.1"]);
    netd.stop();
}
