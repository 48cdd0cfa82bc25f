//! Beside the reference's plugin and its daemon: the same result, routes and address, and the server hears of the end.

use serde_json::{Value, json};
use tests::{Daemon, Host, Lab, REFERENCE, eventually};

use super::link::{SOON, dnsmasq, given, lan, of_ipam};
use crate::{
    config::{addresses, with},
    reference::{VERSIONS, normal},
};

/// What a runtime, the container and the server see of an ADD and a DEL. The address is one that the server chose.
fn seen(host: &Host, far: &Host, config: &Value) -> Value {
    let c1 = host.container("c1");
    let attachment = c1.attachment(config, "eth0");
    let result = attachment.add().map_or_else(|refusal| json!({"refused": refusal.msg}), normal);
    let address = given(far).pop();
    let is_told = addresses(&result).iter().map(|told| told.split('/').next()).eq([address.as_deref()]);
    let seen = json!({"result": result, "told": is_told, "inside": c1.addresses("eth0"), "routes": c1.sh("ip route")});
    attachment.del().unwrap();
    eventually(SOON, || given(far).is_empty());
    let seen = seen.to_string().replace(address.as_deref().unwrap_or("none"), "an address");
    serde_json::from_str(&seen).unwrap()
}

#[test]
fn what_is_seen_is_what_is_seen_of_the_reference() {
    // Of what a server says of names, the reference's plugin tells nothing: ours has its own tests.
    let quiet = "--dhcp-option=6";
    let said = ["", "--dhcp-option=121,10.9.0.0/16,192.168.50.9,0.0.0.0/0,192.168.50.2", "--dhcp-option=3"];
    for (words, version) in said.into_iter().zip(VERSIONS) {
        let [ours, theirs] = [Lab::new(), Lab::with_plugins(REFERENCE)].map(|lab| {
            let [host, far] = lan(&lab);
            let server = dnsmasq(&far, &format!("{quiet} {words}"));
            (server, host, far, lab)
        });
        let keeper = ours.1.keeper();
        let program = format!("{REFERENCE}/dhcp");
        let daemon = Daemon::start(&theirs.1, program.as_ref(), theirs.1.folder().join("dhcp.log"), |command| {
            command.arg("daemon");
        });
        eventually(SOON, || theirs.1.run("test -S /run/cni/dhcp.sock").success());
        // Ours asks for it unasked.
        let config = with(of_ipam("request", &json!([{"option": "121"}])), &json!({"cniVersion": version}));
        let [ours, theirs] = [&ours, &theirs].map(|(_, host, far, _)| seen(host, far, &config));
        assert_eq!(ours, theirs, "{words:?} at {version}");
        keeper.stop();
        daemon.kill();
    }
}
