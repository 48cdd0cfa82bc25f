//! The control socket: what programs see of netd.

use serde_json::Value;
use tests::{Host, Lab, built, eventually};

use super::{network, web};

const CURL: &str = "curl --silent --show-error --fail-with-body --max-time 5 --unix-socket /run/netd/netd.sock";

/// The body of an answer with a good status.
pub(super) fn get(host: &Host, path: &str) -> String {
    host.run(&format!("{CURL} http://netd{path}")).text()
}

/// Says how a container of the network `web` is; the answer, as far as it is one of refusal.
pub(super) fn tell(host: &Host, container: &str, state: &str) -> String {
    let path = format!("http://netd/v1/attachments/web/{container}/eth0/health");
    let body = format!(r#"{{"state": "{state}"}}"#);
    host.run_script(&format!("{CURL} --request PUT --data '{body}' {path}")).stdout
}

fn figure(host: &Host, name: &str) -> u64 {
    let text = get(host, "/metrics");
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

#[test]
fn it_says_what_netd_show_says_counts_what_was_asked_and_explains_what_is_heard() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    c1.add(&web());
    c2.add(&network("other", 2, &Value::Object(serde_json::Map::new())));
    for list in ["networks", "attachments", "names", "peers"] {
        for (query, words) in [("", ""), ("?network=web", " --network web")] {
            let shown = host.netd_show(&format!("{list} --json{words}"));
            let shown: Value = serde_json::from_str(&shown).unwrap();
            let told: Value = serde_json::from_str(&get(&host, &format!("/v1/{list}{query}"))).unwrap();
            assert_eq!(told, shown, "{list}{query}");
        }
    }
    assert!(!host.netd_show("names --network web").contains("other"));
    for _ in 0..3 {
        assert_eq!(c1.dig_with("c1.web.internal A").status, "NOERROR");
    }
    let answered = "netd_dns_packets_total{network=\"web\",type=\"A\",outcome=\"answered\"}";
    assert_eq!(figure(&host, answered), 3);
    eventually(std::time::Duration::from_secs(5), || {
        figure(&host, "netd_attachments{network=\"web\",progress=\"ready\"}") == 1
    });
    let query = |words: &str| host.run(&format!("{} dns query {words}", built("netd").display()));
    let said = query("c1 --from c1").text();
    let expected = "found: container c1.web.internal of web/web.internal\nNOERROR\nc1 5 A 10.1.0.2\n";
    assert!(said.contains(expected), "{said}");
    assert!(
        query("c2.other.internal --type aaaa --from c1").text().contains("NXDOMAIN"),
        "a network that it is not on"
    );
    assert!(query("c1 --from c9").stderr.contains("container c9 asks no server of ours"));
    netd.kill();
    assert!(query("c1 --from c1").stderr.contains("does netd run?"));
    // What a killed netd left there keeps no next one away.
    let netd = host.netd();
    assert_eq!(figure(&host, "netd_names{network=\"other\"}"), 1);
    netd.stop();
    assert!(!host.run_dir().join("netd.sock").exists());
}
