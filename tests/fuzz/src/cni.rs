//! What a runtime says: environment and configuration.

use plugins::PLUGINS;
use plugins::cni::{About, CniResult, Error, Invocation, Outcome, Request, Version, output};
use serde_json::Value;

const ABOUT: About = About { name: "bridge", oldest: Version::V0_1_0, capabilities: Some(&[]) };
/// An input is these variables, each ended by a zero byte, and then standard input.
const VARIABLES: [&str; 6] = ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"];
const CONFIGS: [&str; 7] = [
    r#"{"cniVersion":"1.1.0","name":"web","type":"bridge","bridge":"br-web","isDefaultGateway":true,"ipMasq":true,
        "mtu":1450,"hairpinMode":true,"vlanTrunk":[{"id":101},{"minID":200,"maxID":210}],"runDir":"/run/netd",
        "ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.2.0/24","rangeStart":"10.1.2.9","gateway":"10.1.2.1"}],
        [{"subnet":"2001:db8::/64"}]],"routes":[{"dst":"0.0.0.0/0","gw":"10.1.2.1","mtu":1400}]},
        "runtimeConfig":{"mac":"02:00:00:00:00:01","ips":["10.1.2.7"],"aliases":["db"]}}"#,
    r#"{"cniVersion":"0.4.0","name":"web","type":"dns","domain":"web.internal","names":["a"],"ttl":5,"prevResult":
        {"cniVersion":"0.4.0","interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01","sandbox":"/run/netns/c"}],
        "ips":[{"version":"4","interface":0,"address":"10.1.2.7/24","gateway":"10.1.2.1"}],
        "routes":[{"dst":"0.0.0.0/0"}],"dns":{"nameservers":["10.1.2.1"]}}}"#,
    r#"{"cniVersion":"0.2.0","name":"old","type":"bridge","ipam":{"type":"host-local","subnet":"10.1.0.0/16"},
        "prevResult":{"ip4":{"ip":"10.1.0.5/16","gateway":"10.1.0.1","routes":[{"dst":"0.0.0.0/0"}]},"dns":{}}}"#,
    r#"{"cniVersion":"1.1.0","name":"web","type":"tuning","mtu":1400,"mac":"02:00:00:00:00:01","promisc":true,"txQLen":5,
        "sysctl":{"net.core.somaxconn":"500","net.ipv4.conf.IFNAME.arp_filter":"1"},"dataDir":"/run/cni/tuning",
        "args":{"cni":{"allmulti":true,"sysctl":{"net/core/somaxconn":"600"}}},"prevResult":{"cniVersion":"1.1.0"}}"#,
    r#"{"cniVersion":"1.1.0","name":"lan","type":"macvlan","master":"eth1","mode":"vepa","vlanId":5,"bcqueuelen":7,"owner":1,
        "linkInContainer":true,"device":"ens1","hwaddr":"02:00:00:00:00:01","kernelpath":"/sys/devices/a","pciBusID":"0:0",
        "ipam":{"type":"static","addresses":[{"address":"10.1.2.7/24","gateway":"10.1.2.1"}],"dns":{"domain":"d"}}}"#,
    r#"{"cniVersion":"1.1.0","name":"web","type":"sbr","table":7,"gateways":["10.1.2.1","fd00::1"],"addSourceHints":true,
        "vrfname":"red","domainName":"dns.podman","remoteServers":["10.0.0.53"],"ipMasq":true,"ipMasqBackend":"nftables",
        "prevResult":{"ips":[{"address":"10.1.2.7/24","gateway":"10.1.2.1"}]}}"#,
    r#"{"cniVersion":"1.1.0","name":"web","cni.dev/valid-attachments":[{"containerID":"c1","ifname":"eth0"}]}"#,
];

/// Calls as runtimes make them.
pub fn seeds() -> Vec<Vec<u8>> {
    let call = |command: &str, config: &str| {
        let variables = [command, "c1", "/run/netns/c1", "eth0", "IgnoreUnknown=1;K8S_POD_NAME=web-0", "/opt/cni/bin"];
        [variables.join("\0").as_bytes(), b"\0", config.as_bytes()].concat()
    };
    let calls = ["ADD", "CHECK", "DEL", "GC", "STATUS"].into_iter();
    calls.flat_map(|command| CONFIGS.iter().map(move |config| call(command, config))).collect()
}

/// Reads a call. One that is accepted names nothing that could leave its folder; one that is not says why in one
/// document.
pub fn target(input: &[u8]) {
    let mut parts = input.splitn(VARIABLES.len() + 1, |byte| *byte == 0);
    let variables: Vec<_> = VARIABLES.iter().map(|name| (*name, parts.next().unwrap_or_default())).collect();
    let find = |name: &str| {
        let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
        Some(String::from_utf8_lossy(value).into_owned().into())
    };
    let mut stdin = parts.next().unwrap_or_default();
    match Invocation::parse(&ABOUT, &find, &mut stdin) {
        Ok(Invocation::Usage | Invocation::Versions) => {}
        Ok(Invocation::Request(request)) => accepted(&request),
        Err((version, error)) => refused(error, version),
    }
}

fn refused(error: Error, version: Version) {
    let document = document(&Outcome::Failure(error, version));
    assert!(document["code"].as_u64().is_some_and(|code| code > 0 && code != 999), "{document}");
    assert!(document["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{document}");
}

fn accepted(request: &Request) {
    for plugin in PLUGINS {
        (plugin.config)(request).unwrap_or_else(|error| refused(error, request.version));
    }
    harmless(request.network.as_str());
    if let Some(target) = request.target() {
        harmless(target.id.container.as_str());
        harmless(target.id.ifname.as_str());
        assert!(target.id.ifname.as_str().len() <= 15);
    }
    if let Some(result) = &request.prev_result {
        read_again(result, request.version);
    }
}

/// The name of one file in one folder, on one line.
fn harmless(name: &str) {
    assert!(!name.is_empty() && name != "." && name != "..", "{name:?}");
    assert!(!name.contains(['/', '\n', '\0']), "{name:?}");
}

/// A result that has been read, and can be told in its version, is read again as the same.
fn read_again(result: &CniResult, version: Version) {
    let Ok(document) = result.document(version) else { return };
    let document = serde_json::to_value(document).expect("a result is JSON");
    let again = CniResult::previous(&document, version).expect("what we print, we read");
    let document_again = again.document(version).map(|document| serde_json::to_value(document).expect("it is JSON"));
    assert_eq!(document_again.expect("it was told before"), document);
}

/// Standard output of an outcome: one document and nothing else.
fn document(outcome: &Outcome) -> Value {
    let mut stdout = Vec::new();
    let _told = output::write(outcome, &mut stdout, &mut Vec::new());
    serde_json::from_slice(&stdout).expect("standard output is one document")
}
