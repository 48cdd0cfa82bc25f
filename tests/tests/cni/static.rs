//! `static` as `ipam`: addresses that stand in the configuration.

use serde_json::{Value, json};
use tests::Lab;

use super::config::{VERSIONS, addresses, since};

fn bridge(version: &str, ipam: &Value) -> Value {
    let mut config = json!({"cniVersion": version, "name": "web", "type": "bridge", "bridge": "br-web", "ipam": ipam});
    config["ipam"]["type"] = "static".into();
    config
}

#[test]
fn the_addresses_of_the_configuration_are_those_of_the_container() {
    let ipam = json!({
        "addresses": [{"address": "10.1.0.7/24", "gateway": "10.1.0.1"}, {"address": "2001:db8::7/64"}],
        "routes": [{"dst": "10.9.0.0/16", "mtu": 1300, "priority": 7}],
        "dns": {"nameservers": ["10.1.0.53"]}
    });
    for version in VERSIONS {
        let lab = Lab::new();
        let c1 = lab.host("a").container("c1");
        let attachment = c1.add(&bridge(version, &ipam));
        let result = attachment.result();
        assert_eq!(addresses(&result), ["10.1.0.7/24", "2001:db8::7/64"], "{version}");
        assert_eq!(c1.addresses("eth0"), ["10.1.0.7/24", "2001:db8::7/64"]);
        assert_eq!(result["dns"]["nameservers"], json!(["10.1.0.53"]));
        let route = &c1.ip("-4 route show 10.9.0.0/16")[0];
        assert_eq!(route["gateway"], "10.1.0.1", "{version}");
        if since(version, "0.4.0") {
            assert_eq!(attachment.check(), Ok(()));
        }
        assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
    }
}

#[test]
fn the_runtime_may_ask_for_others() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let mut config = bridge("1.1.0", &json!({"addresses": [{"address": "10.1.0.7/24"}]}));
    config["capabilities"] = json!({"ips": true});
    let attachment = c1.attachment(&config, "eth0").capabilities(&json!({"ips": ["10.1.0.9/24"]}));
    assert_eq!(addresses(&c1.keep(attachment).add().unwrap()), ["10.1.0.9/24"]);
}

#[test]
fn it_runs_as_a_program_of_its_own_and_says_what_is_wrong() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let mut config = bridge("1.1.0", &json!({"addresses": [{"address": "10.1.0.7/24", "gateway": "10.1.0.1"}]}));
    let call = |command: &str, config: &Value| c1.call("static", command).config(config).run().answer();
    let result = call("ADD", &config).unwrap();
    assert_eq!(result["ips"], json!([{"address": "10.1.0.7/24", "gateway": "10.1.0.1"}]));
    config["prevResult"] = result;
    assert_eq!(call("CHECK", &config), Ok(Value::Null));
    assert_eq!(call("DEL", &config), Ok(Value::Null));
    config["prevResult"]["ips"][0]["gateway"] = "10.1.0.9".into();
    let refusal = call("CHECK", &config).unwrap_err();
    assert_eq!((refusal.code, &*refusal.msg), (103, "static: Failed to match addr 10.1.0.7 on interface eth0"));
    let empty = bridge("1.1.0", &json!({}));
    let refusal = c1.attachment(&empty, "eth0").add().unwrap_err();
    assert_eq!(refusal.msg, "IPAM plugin returned missing IP config");
    assert_eq!(host.leftovers(), [""; 0]);
}
