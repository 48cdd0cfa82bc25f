//! `overlay`: what the host's lease makes of an attachment, and what is said where there is none.

use std::time::Duration;

use netd_model::overlay::{HostLease, Mode, Overlay};
use serde_json::{Value, json};
use tests::{Lab, eventually, host_lease};

use super::config::{addresses, with};

fn overlay() -> Value {
    json!({"cniVersion": "1.1.0", "name": "lab", "type": "overlay"})
}

#[test]
fn a_container_gets_what_the_lease_says_and_leaves_nothing() {
    let lab = Lab::new();
    let host = lab.host("a");
    let lease = host_lease("lab", "10.40.1.0/24");
    host.give_lease(&lease);
    let attachment = host.container("c1").attachment(&overlay(), "eth0");
    let result = attachment.add().unwrap();
    assert_eq!(addresses(&result), ["10.40.1.2/24"]);
    assert_eq!(result["interfaces"][2]["mtu"], 1450);
    assert_eq!(result["routes"], json!([{"dst": "0.0.0.0/0", "gw": "10.40.1.1"}]));
    let bridge = lease.overlay.bridge().to_string();
    assert_eq!(host.link(&bridge)["mtu"], 1450);
    // What goes to other hosts of the network is the container's own, what leaves it is not.
    let homes = host.run("nft list set inet netd home4").text();
    for link in [&bridge, lease.overlay.device().as_str()] {
        assert!(homes.contains(&format!("10.40.1.2 . \"{link}\"")), "{homes}");
    }
    attachment.check().unwrap();
    attachment.del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn names_stand_in_the_domain_of_the_network() {
    let lab = Lab::new();
    let host = lab.host("a");
    let mut lease = host_lease("lab", "10.40.1.0/24");
    lease.overlay.domain = Some("lab.example".parse().unwrap());
    host.give_lease(&lease);
    let network = |dns: Value| json!({"cniVersion": "1.1.0", "name": "lab", "plugins": [{"type": "overlay"}, dns]});
    let told = host.container("c1").add(&network(json!({"type": "dns"}))).result();
    assert_eq!(told["dns"]["search"], json!(["lab.example"]));
    let told = host.container("c2").add(&network(json!({"type": "dns", "domain": "own.example"}))).result();
    assert_eq!(told["dns"]["search"], json!(["own.example"]));
}

#[test]
fn without_a_lease_nothing_is_made_and_what_is_missing_is_said() {
    let lab = Lab::new();
    let host = lab.host("a");
    let before = host.kernel_text();
    let attachment = host.container("c1").attachment(&overlay(), "eth0");
    let refusal = attachment.add().unwrap_err();
    assert_eq!((refusal.code, refusal.msg.as_str()), (11, "this host has no lease in overlay network lab yet"));
    assert_eq!(host.status(&overlay()).unwrap_err().code, 50);
    attachment.del().unwrap();
    assert_eq!(host.changes_since(&before), [""; 0]);
    host.give_lease(&host_lease("lab", "10.40.1.0/24"));
    host.status(&overlay()).unwrap();
}

#[test]
fn a_network_that_is_taken_away_or_changed_while_a_container_comes_is_not_made_again() {
    let another_mode = HostLease {
        overlay: Overlay { mode: Mode::L2, ..host_lease("lab", "10.40.1.0/24").overlay },
        mac: Some([2, 0, 0, 0, 0, 1].try_into().unwrap()),
        ..host_lease("lab", "10.40.1.0/24")
    };
    for (name, then) in [("a", None), ("b", Some(another_mode))] {
        let lab = Lab::new();
        let host = lab.host(name);
        let lease = host_lease("lab", "10.40.1.0/24");
        host.give_lease(&lease);
        let attachment = host.container("c1").attachment(&overlay(), "eth0");
        std::fs::create_dir_all(host.run_dir().join("locks")).unwrap();
        let lock = std::fs::File::create(host.run_dir().join("locks/shared")).unwrap();
        lock.lock().unwrap();
        let refusal = std::thread::scope(|scope| {
            let adding = scope.spawn(|| attachment.add());
            let is_recorded = || host.run_dir().join("attachments/lab").read_dir().is_ok_and(|it| it.count() == 1);
            eventually(Duration::from_secs(10), is_recorded);
            match &then {
                None => std::fs::remove_dir_all(host.run_dir().join("overlays")).unwrap(),
                Some(lease) => host.give_lease(lease),
            }
            lock.unlock().unwrap();
            adding.join().unwrap().unwrap_err()
        });
        assert_eq!((refusal.code, refusal.msg.as_str()), (11, "overlay network lab is being changed or taken away"));
        attachment.del().unwrap();
        assert!(!host.run("ip link").text().contains(lease.overlay.bridge().as_str()));
        assert_eq!(host.leftovers(), [""; 0]);
    }
}

#[test]
fn a_lease_that_is_gone_keeps_nothing_from_being_freed() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.give_lease(&host_lease("lab", "10.40.1.0/24"));
    let attachment = host.container("c1").attachment(&overlay(), "eth0");
    attachment.add().unwrap();
    std::fs::remove_dir_all(host.run_dir().join("overlays")).unwrap();
    attachment.del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn a_document_that_is_lost_leaves_no_element() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.give_lease(&host_lease("lab", "10.40.1.0/24"));
    let attachment = host.container("c1").attachment(&overlay(), "eth0");
    attachment.add().unwrap();
    assert!(host.sh("nft list ruleset").contains("elements"));
    std::fs::remove_dir_all(host.run_dir().join("attachments")).unwrap();
    attachment.del().unwrap();
    assert!(!host.sh("nft list ruleset").contains("elements"));
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn a_configuration_that_is_wrong_by_now_frees_the_lease_in_its_own_folder() {
    let lab = Lab::new();
    let host = lab.host("a");
    // Nothing but the configuration tells where the lease is.
    let folder = host.folder().join("run/leases/lab");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("10.40.1.2"), "c1\r\neth0").unwrap();
    let wrong = with(overlay(), &json!({"bridge": "x", "dataDir": "/run/leases"}));
    host.container("c1").attachment(&wrong, "eth0").del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn another_subnet_is_for_new_containers() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.give_lease(&host_lease("lab", "10.40.1.0/24"));
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let old = c1.add(&overlay());
    host.give_lease(&host_lease("lab", "10.40.2.0/24"));
    let new = c2.add(&with(overlay(), &json!({"mtu": 1400})));
    assert_eq!([old.address().unwrap(), new.address().unwrap()], ["10.40.1.2", "10.40.2.2"]);
    assert!(c1.pings("10.40.1.1") && c2.pings("10.40.2.1"), "each its gateway");
    assert!(c1.pings("10.40.2.2") && c2.pings("10.40.1.2"), "and each other");
    old.check().unwrap();
    old.del().unwrap();
    new.del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
}
