//! What is asked of every plugin before it does anything: CNI 1.1 sections 2 and 5, and the texts of the reference.

use serde_json::{Value, json};
use tests::{Call, Host, Lab, PLUGINS, Refusal};

use super::config::{VERSIONS, addresses, bridge, versions_of};

fn complete(host: &Host, plugin: &str, command: &str) -> Call {
    let config = json!({"cniVersion": "1.1.0", "name": "web", "type": plugin});
    host.call(plugin, command)
        .env("CNI_CONTAINERID", "c1")
        .env("CNI_NETNS", "/proc/1/ns/nothing")
        .env("CNI_IFNAME", "eth0")
        .config(&config)
}

#[track_caller]
fn refuses(call: &Call, code: u64, msg: &str) -> Refusal {
    let outcome = call.run();
    let refusal = outcome.clone().refusal();
    assert_eq!((refusal.code, &*refusal.msg), (code, msg), "{outcome:#?}");
    let object: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(object["cniVersion"].is_string(), "an error says its cniVersion: {}", outcome.stdout);
    refusal
}

#[test]
fn a_missing_variable_is_named() {
    let lab = Lab::new();
    let host = lab.host("a");
    for plugin in PLUGINS {
        for command in ["ADD", "CHECK", "DEL"] {
            let call = complete(&host, plugin, command);
            for variable in ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH", "CNI_NETNS"] {
                if command == "DEL" && variable == "CNI_NETNS" {
                    continue;
                }
                let msg = format!("required env variables [{variable}] missing");
                refuses(&call.clone().without(variable), 4, &msg);
                refuses(&call.clone().env(variable, ""), 4, &msg);
            }
        }
        let bare = complete(&host, plugin, "ADD").without("CNI_NETNS").without("CNI_PATH").without("CNI_IFNAME");
        refuses(&bare, 4, "required env variables [CNI_NETNS,CNI_IFNAME,CNI_PATH] missing");
        let all = bare.without("CNI_CONTAINERID");
        refuses(&all, 4, "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing");
    }
}

#[test]
fn a_malformed_variable_is_refused_before_the_configuration_is_read() {
    let lab = Lab::new();
    let host = lab.host("a");
    let long = "e".repeat(16);
    let cases = [
        ("CNI_CONTAINERID", "some-%%container-id", "invalid characters in containerID"),
        ("CNI_CONTAINERID", "../c1", "invalid characters in containerID"),
        ("CNI_CONTAINERID", "c1\n", "invalid characters in containerID"),
        ("CNI_IFNAME", &*long, "interface name is too long"),
        ("CNI_IFNAME", ".", "interface name is . or .."),
        ("CNI_IFNAME", "..", "interface name is . or .."),
        ("CNI_IFNAME", "a/b", "interface name contains / or : or whitespace characters"),
        ("CNI_IFNAME", "a:b", "interface name contains / or : or whitespace characters"),
        ("CNI_IFNAME", "a b", "interface name contains / or : or whitespace characters"),
        ("CNI_IFNAME", "a\u{2003}b", "interface name contains / or : or whitespace characters"),
    ];
    for plugin in PLUGINS {
        let call = complete(&host, plugin, "ADD").stdin(b"no JSON");
        for (variable, value, msg) in cases {
            let refusal = refuses(&call.clone().env(variable, value), 4, msg);
            if variable == "CNI_CONTAINERID" {
                assert!(refusal.details.contains(value.trim()), "{refusal:?}");
            }
        }
    }
}

#[test]
fn a_malformed_configuration_is_refused() {
    let lab = Lab::new();
    let host = lab.host("a");
    for plugin in PLUGINS {
        let call = complete(&host, plugin, "ADD");
        refuses(&call.clone().config(&json!({"cniVersion": "1.0.0", "type": plugin})), 7, "missing network name");
        let bad = json!({"cniVersion": "1.0.0", "name": "te%%st", "type": plugin});
        refuses(&call.clone().config(&bad), 7, "invalid characters found in network name");
        for text in ["", "{", "[]", "\"web\"", "{\"name\": \"web\"} {\"name\": \"web\"}", "\u{0}", "{\"name\": 1}"] {
            let refusal = call.clone().stdin(text.as_bytes()).run().refusal();
            assert_eq!(refusal.code, 6, "{text:?}: {refusal:?}");
            assert!(refusal.msg.starts_with("error unmarshall network config: "), "{text:?}: {refusal:?}");
        }
    }
}

#[test]
fn standard_input_that_cannot_be_read_is_an_input_error() {
    let lab = Lab::new();
    let host = lab.host("a");
    for plugin in PLUGINS {
        let refusal = complete(&host, plugin, "ADD").run_under(&["sh", "-c", "exec \"$0\" < /"]).refusal();
        assert_eq!(refusal.code, 5, "{refusal:?}");
        assert!(refusal.msg.starts_with("error reading from stdin: "), "{refusal:?}");
    }
}

#[test]
fn a_configuration_without_a_version_is_of_the_first() {
    let lab = Lab::new();
    let mut config = bridge("0.1.0", &["10.1.2.0/24"]);
    config.as_object_mut().unwrap().remove("cniVersion");
    let result = lab.host("a").container("c1").add(&config).result();
    assert_eq!(result["cniVersion"], "0.1.0");
    assert_eq!(addresses(&result), ["10.1.2.2/24"]);
    assert!(result["interfaces"].is_null(), "{result}");
}

#[test]
fn a_plugin_that_does_not_take_the_first_refuses_a_configuration_without_a_version() {
    let lab = Lab::new();
    let host = lab.host("a");
    for plugin in PLUGINS.into_iter().filter(|plugin| versions_of(plugin) != VERSIONS) {
        for command in ["ADD", "DEL"] {
            let call = complete(&host, plugin, command).config(&json!({"name": "web", "type": plugin}));
            let refusal = refuses(&call, 1, "incompatible CNI versions");
            assert!(refusal.details.starts_with("config is \"0.1.0\", plugin supports ["), "{refusal:?}");
        }
    }
}

#[test]
fn a_version_that_is_not_supported_is_refused_with_those_that_are() {
    let lab = Lab::new();
    let host = lab.host("a");
    for plugin in PLUGINS {
        for command in ["ADD", "DEL"] {
            let config = json!({"cniVersion": "9.9.9", "name": "web", "type": plugin});
            let call = complete(&host, plugin, command).config(&config);
            let refusal = refuses(&call, 1, "incompatible CNI versions");
            assert!(refusal.details.starts_with("config is \"9.9.9\", plugin supports ["), "{refusal:?}");
            assert!(versions_of(plugin).iter().all(|version| refusal.details.contains(version)), "{refusal:?}");
        }
    }
}

#[test]
fn a_verb_that_the_version_does_not_have_is_refused() {
    let lab = Lab::new();
    let host = lab.host("a");
    for plugin in PLUGINS {
        for (command, versions) in [("CHECK", &VERSIONS[..4]), ("GC", &VERSIONS[..6]), ("STATUS", &VERSIONS[..6])] {
            for version in versions {
                let config = json!({"cniVersion": version, "name": "web", "type": plugin});
                let call = complete(&host, plugin, command).config(&config);
                refuses(&call, 1, &format!("config version does not allow {command}"));
            }
            let config = json!({"cniVersion": "adsfsadf", "name": "web", "type": plugin});
            assert_eq!(complete(&host, plugin, command).config(&config).run().refusal().code, 6);
        }
    }
}

#[test]
fn an_unknown_command_is_named() {
    let lab = Lab::new();
    let host = lab.host("a");
    for plugin in PLUGINS {
        refuses(&complete(&host, plugin, "NOPE"), 4, "unknown CNI_COMMAND: NOPE");
    }
}

#[test]
fn without_a_command_a_plugin_says_what_it_is() {
    let lab = Lab::new();
    let host = lab.host("a");
    for plugin in PLUGINS {
        let outcome = complete(&host, plugin, "ADD").without("CNI_COMMAND").run();
        assert!(outcome.success() && outcome.stdout.is_empty(), "{outcome:#?}");
        assert!(outcome.stderr.starts_with(&format!("CNI {plugin} plugin ")), "{outcome:#?}");
        let versions = format!("CNI protocol versions supported: {}", versions_of(plugin).join(", "));
        assert!(outcome.stderr.contains(&versions), "{outcome:#?}");
    }
}

#[test]
fn version_needs_only_the_command_and_does_not_wait_for_input() {
    let lab = Lab::new();
    let host = lab.host("a");
    for plugin in PLUGINS {
        // A pipe that is open for writing and never written.
        let silent = ["timeout", "5", "sh", "-c", "mkfifo /run/silent; exec \"$0\" 0<>/run/silent"];
        let outcome = host.call(plugin, "VERSION").without("CNI_PATH").run_under(&silent);
        host.sh("rm /run/silent");
        let object = outcome.json();
        assert_eq!(object["supportedVersions"], json!(versions_of(plugin)), "{plugin}");
        assert_eq!(object["cniVersion"], "1.1.0", "{plugin}");
    }
}

#[test]
fn status_and_gc_need_no_container() {
    let lab = Lab::new();
    let host = lab.host("a");
    for plugin in PLUGINS {
        for command in ["STATUS", "GC"] {
            let config = json!({"cniVersion": "1.1.0", "name": "web", "type": plugin});
            let call = host.call(plugin, command).config(&config);
            refuses(&call.clone().without("CNI_PATH"), 4, "required env variables [CNI_PATH] missing");
            // Some miss keys that they need: that is no mistake of the environment.
            assert_ne!(call.run().answer().map_err(|refusal| refusal.code), Err(4), "{command} of {plugin}");
        }
    }
    let config = bridge("1.1.0", &["10.1.2.0/24"]);
    assert_eq!(host.status(&config), Ok(()));
    assert_eq!(host.gc(&config, Some(&[])), Ok(()));
}

#[test]
fn keys_are_matched_whatever_their_case() {
    let lab = Lab::new();
    let config = json!({
        "CNIVersion": "1.0.0", "NAME": "web", "Type": "bridge", "type": "bridge", "BRIDGE": "br-web", "isdefaultgateway": true,
        "IPAM": {"Type": "host-local", "RANGES": [[{"Subnet": "10.1.2.0/24", "rangestart": "10.1.2.9"}]]},
        "RuntimeConfig": {"MAC": "02:00:00:00:00:09"}
    });
    let c1 = lab.host("a").container("c1");
    let result = c1.call("bridge", "ADD").config(&config).run().answer().unwrap();
    assert_eq!(result["cniVersion"], "1.0.0");
    assert_eq!(c1.addresses("eth0"), ["10.1.2.9/24"]);
    assert_eq!(c1.link("eth0")["address"], "02:00:00:00:00:09");
    assert_eq!(c1.call("bridge", "DEL").config(&config).run().answer(), Ok(Value::Null));
}

#[test]
fn the_hosts_own_namespace_is_refused_before_any_work() {
    let lab = Lab::new();
    let host = lab.host("a");
    let before = host.kernel_text();
    let own = host.netns();
    let call = host.call("bridge", "ADD").env("CNI_CONTAINERID", "c1").env("CNI_IFNAME", "eth0");
    let call = call.env("CNI_NETNS", own.to_str().unwrap()).config(&bridge("1.1.0", &["10.1.2.0/24"]));
    refuses(&call, 8, "plugin's netns and netns from CNI_NETNS should not be the same");
    assert_eq!(host.changes_since(&before), [""; 0]);
    assert_eq!(host.leftovers(), [""; 0]);
}
