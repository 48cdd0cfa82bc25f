//! What must hold for every plugin that gives an interface and is no bridge.

use serde_json::{Value, json};
use tests::{Host, Lab, Refusal};

/// Each as `eth0` in a network of its own, on a host that has `to-1`.
fn each() -> Vec<Value> {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8::/64"}]]});
    let config = |keys: Value| {
        let mut config = json!({"cniVersion": "1.1.0", "name": keys["type"], "ipam": ipam});
        config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        config
    };
    [
        json!({"type": "ptp", "ipMasq": true}),
        json!({"type": "macvlan", "master": "to-1"}),
        json!({"type": "tap"}),
        json!({"type": "host-device", "device": "to-1"}),
    ]
    .map(config)
    .to_vec()
}

fn host(lab: &Lab) -> Host {
    let host = lab.host("a");
    host.sh("ip link add to-1 type veth peer name to-2; ip link set to-1 up; ip link set to-2 up");
    host.container("warm").add(&each()[0]).del().unwrap();
    host
}

#[test]
fn a_second_add_is_refused_and_does_not_touch_the_first() {
    let lab = Lab::new();
    let host = host(&lab);
    for config in each() {
        let c1 = host.container(&format!("c-{}", config["type"].as_str().unwrap()));
        let first = c1.add(&config);
        let before = (host.kernel_text(), c1.kernel_text(), host.leftovers());
        let again = c1.attachment(&config, "eth0").add().unwrap_err();
        assert_eq!(again.code, 100, "{again:?}");
        assert_eq!([host.changes_since(&before.0), c1.changes_since(&before.1)].concat(), [""; 0]);
        assert_eq!(host.leftovers(), before.2);
        assert_eq!(first.check(), Ok(()), "{config}");
        first.del().unwrap();
    }
}

#[test]
fn an_interface_that_is_there_is_refused_and_stays() {
    let lab = Lab::new();
    let host = host(&lab);
    for config in each() {
        let c1 = host.container(&format!("c-{}", config["type"].as_str().unwrap()));
        c1.sh("ip link add eth0 type veth peer name other; ip link set eth0 alias other");
        let settled = (host.kernel_text(), c1.kernel_text());
        let attachment = c1.attachment(&config, "eth0");
        let refusal = attachment.add().unwrap_err();
        assert_eq!(refusal.code, 100, "{refusal:?}");
        assert_eq!(attachment.del(), Ok(()), "the runtime's DEL after a failed ADD");
        assert_eq!([host.changes_since(&settled.0), c1.changes_since(&settled.1)].concat(), [""; 0], "{config}");
        assert_eq!(host.leftovers(), [""; 0]);
    }
}

#[test]
fn gc_enters_a_namespace_that_is_still_there() {
    let lab = Lab::new();
    let host = host(&lab);
    let settled = host.kernel_text();
    for config in each() {
        let [c1, c2] = ["c1", "c2"].map(|name| host.container(&format!("{name}-{}", config["type"].as_str().unwrap())));
        let empty = c1.kernel_text();
        c1.add(&config);
        let valid = (config["type"] != "host-device").then(|| c2.add(&config));
        let kept = [(c2.name(), "eth0")];
        assert_eq!(host.gc(&config, Some(&kept)), Ok(()));
        assert_eq!(c1.changes_since(&empty), [""; 0], "{config}");
        if let Some(valid) = valid {
            assert_eq!(valid.check(), Ok(()), "{config}");
            valid.del().unwrap();
        }
        assert_eq!([host.leftovers(), host.changes_since(&settled)].concat(), [""; 0], "{config}");
    }
}

#[test]
fn parallel_dels_of_one_container_all_succeed() {
    let lab = Lab::new();
    let host = host(&lab);
    for config in each() {
        let name = format!("c-{}", config["type"].as_str().unwrap());
        let tuning = json!({"type": "tuning", "txQLen": 7, "sysctl": {"net.core.somaxconn": "500"}});
        let list = json!({"cniVersion": "1.1.0", "name": name, "plugins": [config, tuning, {"type": "sbr"}]});
        let attachment = host.container(&name).add(&list);
        let answers: Vec<Result<(), Refusal>> = std::thread::scope(|scope| {
            let dels: Vec<_> = (0..32).map(|_| scope.spawn(|| attachment.del())).collect();
            dels.into_iter().map(|del| del.join().unwrap()).collect()
        });
        assert!(answers.iter().all(Result::is_ok), "{config}: {answers:?}");
        assert_eq!(host.leftovers(), [""; 0]);
    }
}

#[test]
fn del_of_what_was_never_added_and_without_a_namespace_succeeds() {
    let lab = Lab::new();
    let host = host(&lab);
    let settled = host.kernel_text();
    for config in each() {
        let c1 = host.container(&format!("c-{}", config["type"].as_str().unwrap()));
        let attachment = c1.attachment(&config, "eth0");
        assert_eq!(attachment.del(), Ok(()));
        assert_eq!(attachment.call("DEL", 0, None).without("CNI_NETNS").run().answer(), Ok(Value::Null));
        let gone = attachment.call("DEL", 0, None).env("CNI_NETNS", "/var/run/netns/none");
        assert_eq!(gone.run().answer(), Ok(Value::Null));
    }
    assert_eq!(host.changes_since(&settled), [""; 0]);
}
