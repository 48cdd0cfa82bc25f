//! `portmap` beside the reference plugin: what that left for a container goes with the container.

use serde_json::{Value, json};
use tests::{Lab, REFERENCE};

use super::portmap::{at, attachment, list};

fn references(version: &str) -> Value {
    list(version, &json!({}))
}

#[test]
fn chains_of_the_reference_go_with_their_container() {
    for version in ["0.4.0", "1.0.0"] {
        let lab = Lab::new();
        let host = lab.host("a");
        let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
        let attachments = [(&c1, 8001), (&c2, 8002)].map(|(container, port)| {
            let attachment = attachment(container, &references(version), &at(port));
            let result = attachment.call("ADD", 0, None).run().answer().unwrap();
            let mut request = with_previous(&references(version)["plugins"][1], version, &result);
            request["runtimeConfig"] = at(port);
            let portmap = container.call(&format!("{REFERENCE}/portmap"), "ADD").env("CNI_PATH", REFERENCE);
            portmap.config(&request).run().answer().unwrap();
            attachment
        });
        let chains = || host.sh("iptables-save -t nat; ip6tables-save -t nat").matches(":CNI-DN-").count();
        assert_eq!(chains(), 4, "{version}");
        let before = host.sh("iptables-save -t nat");
        let bare = json!({"cniVersion": version, "name": "web", "type": "portmap"});
        let del = c1.call("portmap", "DEL").config(&bare);
        assert_eq!(del.trace(None).programs, 0, "no process is started");
        assert_eq!(chains(), 2, "{version}");
        let after = host.sh("iptables-save -t nat");
        let (gone, left) = (|line: &&str| line.contains("8001"), |line: &&str| line.contains("8002"));
        assert_eq!(after.lines().filter(gone).count(), 0, "{after}");
        assert_eq!(after.lines().filter(left).count(), before.lines().filter(left).count(), "{after}");
        assert_eq!(del.run().answer(), Ok(Value::Null), "once more");
        for attachment in &attachments {
            attachment.del().unwrap();
        }
        assert_eq!(chains(), 0, "{version}");
    }
}

fn with_previous(plugin: &Value, version: &str, result: &Value) -> Value {
    let mut request = plugin.clone();
    request["cniVersion"] = version.into();
    request["name"] = "web".into();
    request["prevResult"] = result.clone();
    request
}

/// As the newer reference makes them, which Debian does not have yet.
#[test]
fn rules_in_the_table_of_the_reference_go_with_their_container() {
    let lab = Lab::new();
    let host = lab.host("a");
    for family in ["ip", "ip6"] {
        let address = if family == "ip" { "10.1.2.2" } else { "2001:db8::2" };
        let rule = |container: &str, chain: &str, rule: &str| {
            format!("add rule {family} cni_hostport {chain} {rule} comment \"{container}\";")
        };
        let rules: String = ["c1", "c2"]
            .map(|container| {
                rule(container, "hostports", &format!("tcp dport 8080 dnat to {address}"))
                    + &rule(container, "masquerading", &format!("{family} saddr {address} masquerade"))
            })
            .concat();
        host.sh(&format!(
            "nft '
            add table {family} cni_hostport; add chain {family} cni_hostport hostports
            add chain {family} cni_hostport masquerading {{ type nat hook postrouting priority 100; }}
            {rules}'"
        ));
    }
    let count = |container: &str| host.sh("nft list ruleset").matches(&format!("comment \"{container}\"")).count();
    assert_eq!((count("c1"), count("c2")), (4, 4));
    let bare = json!({"cniVersion": "1.0.0", "name": "web", "type": "portmap"});
    let del = host.container("c1").call("portmap", "DEL").config(&bare);
    std::thread::scope(|scope| {
        for del in (0..10).map(|_| del.clone()) {
            scope.spawn(move || assert_eq!(del.run().answer(), Ok(Value::Null)));
        }
    });
    assert_eq!((count("c1"), count("c2")), (0, 4));
}
