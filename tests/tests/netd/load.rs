//! Names that change while many ask for them.

use serde_json::json;
use tests::{Container, Host, Lab, run};

pub(super) const LOAD: &str = env!("CARGO_BIN_EXE_load");

/// A container on the networks `n1`, `n2`, .., which have names and nothing else.
pub(super) fn client(host: &Host, networks: u8) -> Container {
    let client = host.container("client");
    for number in 1..=networks {
        let subnet = format!("10.{number}.0.0/24");
        let config = json!({
            "cniVersion": "1.1.0",
            "name": format!("n{number}"),
            "plugins": [
                {
                    "type": "bridge", "bridge": format!("br-n{number}"), "isGateway": true,
                    "ipam": {"type": "host-local", "subnet": subnet}
                },
                {"type": "dns"}
            ]
        });
        client.keep(client.attachment(&config, &format!("eth{number}"))).add().unwrap();
    }
    client
}

#[test]
fn ten_thousand_names_on_a_hundred_networks_change_under_load_and_no_answer_is_wrong_or_lost() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd_with("gc = false\n");
    let client = client(&host, 100);
    // Five seconds, 100 changes in each, eight who ask.
    let said = run(client.command(LOAD).arg(host.run_dir()).args(["100", "5", "100", "8", "0"]), b"").json();
    let count = |key: &str| said[key].as_u64().unwrap();
    assert_eq!((&said["wrong"], &said["lost"]), (&json!([]), &json!([])), "{said}");
    assert_eq!((count("names"), count("again"), count("again_over_tcp")), (10_000, 0, 0), "{said}");
    assert!(count("changed") >= 450 && count("asked") >= 5_000 && count("over_tcp") > 0, "{said}");
    netd.stop();
}
