//! Beside the reference plugins: the same results, and what they made is taken down.

use serde_json::{Value, json};
use tests::{Container, Host, Lab, REFERENCE};

use super::config::{bridge, with};

/// One version of each shape of results; Debian's reference plugins do not know 1.1.0.
pub(super) const VERSIONS: [&str; 3] = ["0.2.0", "0.4.0", "1.0.0"];

/// What a container gets, without what differs from one ADD to the next.
pub(super) fn normal(mut result: Value) -> Value {
    for interface in result["interfaces"].as_array_mut().into_iter().flatten() {
        interface["mac"] = "a MAC".into();
        interface.as_object_mut().unwrap().remove("mtu");
        if interface["sandbox"].is_string() {
            interface["sandbox"] = "a namespace".into();
        }
        if interface["name"].as_str().unwrap().starts_with("veth") {
            interface["name"] = "a veth".into();
        }
    }
    // Debian's version prints an empty `dns` at 1.0.0, which later ones leave out.
    if result["dns"] == json!({}) {
        result.as_object_mut().unwrap().remove("dns");
    }
    result
}

fn answer(container: &Container, config: &Value) -> Value {
    let attachment = container.attachment(config, "eth0");
    let answer = attachment.add().map(normal);
    // Codes differ on purpose: the reference has one for everything.
    let answer = answer.map_err(|refusal| json!({"refused": refusal.msg}));
    attachment.del().ok();
    answer.unwrap_or_else(|refusal| refusal)
}

#[test]
fn results_are_those_of_the_reference_plugins() {
    let [ours, theirs] = [Lab::new(), Lab::with_plugins(REFERENCE)];
    let [ours, theirs] = [&ours, &theirs].map(|lab| lab.host("a"));
    let v4: &[&str] = &["10.1.2.0/24"];
    let gateway = json!([[{"subnet": "10.1.2.0/24", "gateway": "10.1.2.9"}]]);
    let routes = json!([{"dst": "192.168.0.0/16"}, {"dst": "172.16.0.0/12", "gw": "10.1.2.77"}]);
    let mut number = 0;
    let mut differ = Vec::new();
    for version in VERSIONS {
        let of_ipam = |key: &str, value: &Value| {
            let mut config = bridge(version, v4);
            config["ipam"][key] = value.clone();
            config
        };
        let cases = [
            bridge(version, v4),
            with(bridge(version, v4), &json!({"isDefaultGateway": false})),
            with(bridge(version, v4), &json!({"isDefaultGateway": false, "isGateway": true})),
            bridge(version, &["2001:db8::/64"]),
            bridge(version, &["10.1.2.0/24", "2001:db8::/64"]),
            of_ipam("ranges", &gateway),
            of_ipam("routes", &routes),
            with(bridge(version, v4), &json!({"dns": {"nameservers": ["10.9.9.9"], "search": ["a.example"]}})),
            with(bridge(version, v4), &json!({"args": {"cni": {"ips": ["10.1.2.50"]}}})),
            with(bridge(version, v4), &json!({"hairpinMode": true, "promiscMode": true})),
            of_ipam("ranges", &json!([[{"subnet": "10.1.2.0/31"}]])),
            of_ipam("ranges", &json!([[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1"}]])),
        ];
        for case in cases {
            number += 1;
            // A bridge of its own, so that each case meets none of the one before.
            let case = with(case, &json!({"bridge": format!("br{number}"), "name": format!("net{number}")}));
            let answers = [&ours, &theirs].map(|host: &Host| answer(&host.container(&format!("c{number}")), &case));
            if answers[0] != answers[1] {
                differ.push(format!("{case}\nours:   {}\ntheirs: {}", answers[0], answers[1]));
            }
            for host in [&ours, &theirs] {
                host.run(&format!("ip link del br{number}"));
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn attachments_of_the_reference_are_taken_down() {
    for version in ["0.3.1", "0.4.0", "1.0.0"] {
        for gone in [false, true] {
            let lab = Lab::new();
            let host = lab.host("a");
            let container = host.container("c1");
            let attachment = container.attachment(&bridge(version, &["10.1.2.0/24"]), "eth0");
            let reference = format!("{REFERENCE}/bridge");
            let add = container.call(&reference, "ADD").env("CNI_PATH", REFERENCE);
            let add = add.config(&bridge(version, &["10.1.2.0/24"]));
            let result = add.run().answer().unwrap();
            let previous = (version != "0.3.1").then_some(&result);
            if gone {
                container.vanish();
            }
            assert_eq!(attachment.call("DEL", 0, previous).run().answer(), Ok(Value::Null), "{version}");
            // Before 0.4.0 nothing says whose the interface is: it goes with its namespace.
            container.vanish();
            tests::eventually(std::time::Duration::from_secs(5), || host.leftovers().is_empty());
        }
    }
}
