//! A real runtime: containerd's `ctr run --cni`, with a root file system of busybox.
#![allow(clippy::unwrap_used, reason = "tests")]

mod runtime;

use std::time::Duration;

use runtime::Runtime;
use serde_json::{Value, json};
use tests::{Lab, REFERENCE, eventually};

const SOON: Duration = Duration::from_secs(20);

fn network(version: &str, chained: &[Value]) -> Value {
    let bridge = json!({
        "type": "bridge",
        "bridge": "br-web",
        "isDefaultGateway": true,
        "ipMasq": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}]]}
    });
    let plugins: Vec<Value> = [bridge].iter().chain(chained).cloned().collect();
    json!({"cniVersion": version, "name": "web", "plugins": plugins})
}

/// The runtime itself, and how the test drives it, with plugins that are known to work.
#[test]
fn containers_reach_each_other_with_the_reference_plugins() {
    let lab = Lab::with_plugins(REFERENCE);
    let host = lab.host("a");
    let runtime = Runtime::start(&host, &network("0.4.0", &[]));
    let [c1, c2] = ["c1", "c2"].map(|name| runtime.run(name));
    let addresses = [&c1, &c2].map(|container| runtime.address(container));
    assert_eq!(addresses, ["10.1.2.2", "10.1.2.3"]);
    assert!(runtime.exec(&c1, "/bin/ping -c 1 10.1.2.3").success());
    for container in [c1, c2] {
        runtime.kill(container);
    }
    eventually(SOON, || host.leftovers().is_empty());
    runtime.stop();
}

/// ctr names its containers `default-<id>`, and writes no resolv.conf: the test writes it from the result.
#[test]
fn containers_find_and_reach_each_other_by_name() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let runtime = Runtime::start(&host, &network("1.0.0", &[json!({"type": "dns"})]));
    let [c1, c2] = ["c1", "c2"].map(|name| runtime.run(name));
    for container in [&c1, &c2] {
        runtime.write_resolv_conf(container);
    }
    for (from, name, address) in [(&c1, "default-c2", runtime.address(&c2)), (&c2, "default-c1", runtime.address(&c1))]
    {
        let found = runtime.exec(from, &format!("/bin/nslookup {name}.web.internal"));
        assert!(found.stdout.contains(&format!("Address: {address}")), "{found:#?}");
        let pinged = runtime.exec(from, &format!("/bin/ping -c 1 {name}"));
        assert!(pinged.success(), "by the bare name, through the search list: {pinged:#?}");
    }
    runtime.kill(c2);
    eventually(SOON, || !runtime.exec(&c1, "/bin/nslookup default-c2.web.internal").success());
    runtime.kill(c1);
    eventually(SOON, || host.leftovers().is_empty());
    runtime.stop();
    netd.stop();
}
