//! The plugin `dns` before netd is there: what it records, what it refuses, what it forgets.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tests::{Attachment, Call, Container, Host, Lab};

use super::config::{VERSIONS, bridge, since};

/// A bridge network with names.
fn named(version: &str) -> Value {
    json!({"cniVersion": version, "name": "web", "plugins": [bridge(version, &["10.1.2.0/24"]), {"type": "dns"}]})
}

/// The one document of the host.
fn document(host: &Host) -> PathBuf {
    let folder = host.run_dir().join("attachments/web");
    let mut documents = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let document = documents.next().unwrap();
    assert_eq!(documents.next(), None);
    document
}

fn attached(container: &Container, version: &str) -> Attachment {
    let attachment = container.attachment(&named(version), "eth0");
    attachment.add().unwrap();
    attachment
}

/// `dns` after a plugin of somebody else, which made a bridge with an address by hand.
fn after_another(container: &Container, command: &str, gateway: &str) -> Call {
    let netns = container.netns();
    let previous = json!({
        "interfaces": [{"name": "br-other"}, {"name": "eth0", "sandbox": netns.to_str().unwrap()}],
        "ips": [{"interface": 1, "address": "10.7.0.9/24", "gateway": gateway}]
    });
    let config = json!({"cniVersion": "1.1.0", "name": "other", "type": "dns", "prevResult": previous});
    container.call("dns", command).env("CNI_IFNAME", "eth0").config(&config)
}

#[test]
fn the_servers_of_the_result_are_the_gateways_in_every_version_that_has_interfaces() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    for version in VERSIONS.into_iter().filter(|version| since(version, "0.3.0")) {
        let attachment = attached(&c1, version);
        let dns = &attachment.result()["dns"];
        assert_eq!(*dns, json!({"nameservers": ["10.1.2.1"], "domain": "web.internal", "search": ["web.internal"]}));
        assert_eq!(attachment.del(), Ok(()));
        assert_eq!(attachment.del(), Ok(()));
    }
}

#[test]
fn it_comes_after_a_plugin_that_gives_addresses() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let call = |config: &Value| c1.call("dns", "ADD").env("CNI_IFNAME", "eth0").config(config).run().refusal();
    let alone = json!({"cniVersion": "1.1.0", "name": "web", "type": "dns"});
    let refusal = call(&alone);
    assert!(refusal.code == 7 && refusal.msg.contains("must be called as chained plugin"), "{refusal:?}");
    let mut first = alone;
    first["cniVersion"] = "0.2.0".into();
    first["prevResult"] = json!({"ip4": {"ip": "10.7.0.9/24", "gateway": "10.7.0.1"}});
    let refusal = call(&first);
    assert_eq!(refusal.msg, "network web has no gateway address on the host, where its names could be served");
}

#[test]
fn check_says_when_the_names_are_not_what_add_recorded() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let attachment = attached(&c1, "1.1.0");
    assert_eq!(attachment.check(), Ok(()));
    let path = document(&host);
    let mut text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    text["sections"]["dns"]["names"]["names"] = json!(["somebody-else"]);
    fs::write(&path, text.to_string()).unwrap();
    let refusal = attachment.check().unwrap_err();
    assert_eq!(
        (refusal.code, &*refusal.msg),
        (103, "the names of attachment web/c1/eth0 differ from what ADD records")
    );
    text["sections"].as_object_mut().unwrap().remove("dns");
    fs::write(&path, text.to_string()).unwrap();
    assert_eq!(attachment.check().unwrap_err().msg, "the names of attachment web/c1/eth0 are not recorded");
    assert_eq!(attachment.del(), Ok(()));
}

#[test]
fn a_document_that_cannot_be_read_does_not_stop_del() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    for torn in ["", "{", "[]", "{\"version\": \"x\"}", "\0\0\0"] {
        let attachment = attached(&c1, "1.1.0");
        fs::write(document(&host), torn).unwrap();
        assert_eq!(attachment.del(), Ok(()), "{torn:?}");
        assert_eq!(host.leftovers(), [""; 0], "{torn:?}");
    }
}

#[test]
fn names_after_another_interface_plugin_are_recorded_and_forgotten() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    host.sh("ip link add br-other type bridge; ip addr add 10.7.0.1/24 dev br-other; ip link set br-other up");
    let result = after_another(&c1, "ADD", "10.7.0.1").run().answer().unwrap();
    assert_eq!(result["dns"]["nameservers"], json!(["10.7.0.1"]));
    assert!(host.netd_show("names").contains("c1"), "{}", host.netd_show("names"));
    assert_eq!(after_another(&c1, "CHECK", "10.7.0.1").run().answer(), Ok(Value::Null));
    let refusal = after_another(&c1, "ADD", "10.7.0.254").run().refusal();
    assert!(refusal.code == 7 && refusal.msg.contains("network other has no gateway address"), "{refusal:?}");
    assert_eq!(after_another(&c1, "DEL", "10.7.0.1").run().answer(), Ok(Value::Null));
    assert_eq!(after_another(&c1, "DEL", "10.7.0.1").run().answer(), Ok(Value::Null));
    assert_eq!(host.leftovers(), [""; 0]);
    host.sh("ip link del br-other");
}

#[test]
fn a_list_of_podman_names_dnsname() {
    let lab = Lab::new();
    let host = lab.host("a");
    let _netd = host.netd();
    let names = json!({"type": "dnsname", "domainName": "dns.podman", "capabilities": {"aliases": true}});
    let list = json!({"cniVersion": "1.0.0", "name": "web", "plugins": [bridge("1.0.0", &["10.1.2.0/24"]), names]});
    let c1 = host.container("c1");
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=db;K8S_POD_NAME=db";
    let attachment =
        c1.keep(c1.attachment(&list, "eth0").args(args).capabilities(&json!({"aliases": {"web": ["store"]}})));
    let result = attachment.add().unwrap();
    assert_eq!(result["dns"]["search"], json!(["dns.podman"]));
    let c2 = host.container("c2");
    c2.add(&list);
    for name in ["db", "store", "db.dns.podman"] {
        assert_eq!(c2.dig(name).addresses(), ["10.1.2.2"], "{name}");
    }
    assert_eq!(attachment.check(), Ok(()));
}
