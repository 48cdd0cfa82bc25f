use netd_model::{
    attachment::AttachmentId,
    object::{Direction, State},
    plan::{Desired, plan},
};
use serde_json::{Value, json};

use super::*;
use crate::{bandwidth::config::Subnets, fixture::request};

fn read(config: &Value) -> Result<Config, (u32, String)> {
    let read = request(&PLUGIN.about, "ADD", config, "").and_then(|request| Config::of(&request));
    read.map_err(|error| (error.kind.code(), error.msg))
}

/// The rates and bursts in bytes: ingress, egress.
fn rates(config: &Value) -> [Option<(u64, u32)>; 2] {
    let config = read(config).unwrap();
    [config.ingress, config.egress].map(|rate| rate.map(|rate| (rate.rate.get(), rate.burst)))
}

fn id() -> AttachmentId {
    let name = |text: &str| text.parse().unwrap();
    AttachmentId { network: "web".parse().unwrap(), container: "c1".parse().unwrap(), ifname: name("eth0") }
}

/// What is made on an interface where there is nothing.
fn script(config: &Value, side: Side) -> String {
    let config = read(config).unwrap();
    let spot = Spot { side, link: "up0".parse().unwrap(), mtu: Some(1400.try_into().unwrap()) };
    let section = desired::section(&id(), &spot, &spot.limits(&config));
    let desired = Desired { present: section.own, absent: State::default() };
    plan(&desired, &State::default()).to_string()
}

const BOTH: [&str; 4] = ["ingressRate", "ingressBurst", "egressRate", "egressBurst"];

fn both() -> Value {
    let numbers = [8_000_000, 80_000, 16_000_000, 160_000];
    BOTH.iter()
        .zip(numbers)
        .map(|(key, number)| ((*key).to_owned(), json!(number)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn what_is_said_inline_comes_before_what_the_runtime_says() {
    let of_runtime = |keys: Value| json!({"runtimeConfig": {"bandWidth": keys}});
    assert_eq!(rates(&json!({})), [None, None]);
    assert_eq!(rates(&both()), [Some((1_000_000, 10_000)), Some((2_000_000, 20_000))]);
    assert_eq!(rates(&of_runtime(both())), rates(&both()));
    assert_eq!(rates(&json!({"ingressRate": 0, "runtimeConfig": {"bandwidth": both()}})), [None, None]);
    let mut config =
        of_runtime(json!({"ingressRate": 1, "egressBurst": 1, "latency": 7, "shapedSubnets": ["10.0.0.0/8"]}));
    for (key, value) in both().as_object().unwrap() {
        config[key] = value.clone();
    }
    assert_eq!(rates(&config), rates(&both()), "also where the other is wrong");
    let ten = vec!["10.0.0.0/8".parse().unwrap()];
    let read_as = |config: &Value| read(config).map(|config| (config.latency, config.subnets)).unwrap();
    assert_eq!(read_as(&config), (7, Subnets::Only(ten.clone())), "the rates alone are the operator's");
    config["latency"] = json!(9);
    config["unshapedSubnets"] = json!(["10.1.2.3/8"]);
    assert_eq!(read_as(&config), (9, Subnets::AllBut(ten)), "as far as the prefix goes");
    assert_eq!(read_as(&json!({})), (25, Subnets::All));
}

#[test]
fn a_wrong_value_is_named() {
    let cases = [
        (json!({"ingressRate": 8}), "if rate is set, burst must also be set"),
        (json!({"ingressBurst": 8}), "if burst is set, rate must also be set"),
        (json!({"egressRate": 8, "egressBurst": 0}), "if rate is set, burst must also be set"),
        (json!({"runtimeConfig": {"bandwidth": {"egressBurst": 8}}}), "if burst is set, rate must also be set"),
        (json!({"egressRate": 8, "egressBurst": 8 * u64::from(u32::MAX)}), "burst cannot be more than 4GB"),
        (json!({"egressRate": 8, "egressBurst": u64::MAX}), "burst cannot be more than 4GB"),
        (json!({"egressRate": 7, "egressBurst": 8}), "egressRate 7: it is at least 8 bits per second"),
        (json!({"ingressRate": 8, "ingressBurst": 7}), "ingressBurst 7: it is at least 8 bits"),
        (json!({"ingressRate": -1}), "key \"ingressRate\""),
        (json!({"runtimeConfig": {"bandwidth": {"egressBurst": "8"}}}), "key \"runtimeConfig.bandwidth.egressBurst\""),
        (json!({"latency": 60_001}), "latency 60001: it is at most 60000 milliseconds"),
        (json!({"latency": -1}), "key \"latency\""),
        (
            json!({"unshapedSubnets": ["10.1.2.3"]}),
            "bad subnet \"10.1.2.3\" provided, details invalid CIDR address: 10.1.2.3",
        ),
        (json!({"shapedSubnets": ["x/8"]}), "bad subnet \"x/8\" provided, details invalid CIDR address: x/8"),
        (json!({"shapedSubnets": vec!["10.0.0.0/8"; 257]}), "shapedSubnets: a list of 257 has more than 256"),
        (
            json!({"shapedSubnets": ["10.0.0.0/8"], "unshapedSubnets": ["::/0"]}),
            "unshapedSubnets and shapedSubnets cannot be both specified, one of them should be discarded",
        ),
    ];
    for (config, words) in cases {
        let (code, msg) = read(&config).unwrap_err();
        assert!(code == 7 && msg.starts_with(words), "{config}: {msg}");
    }
    assert!(read(&json!({"egressRate": 8, "egressBurst": 8 * (u64::from(u32::MAX)) - 1})).is_ok());
}

#[test]
fn the_queues_are_those_of_the_reference() {
    for (rate, burst, queue) in [
        (8_u64, 8, "rate 8bit burst 1 limit 1"),
        (8_000, 80, "rate 8000bit burst 10 limit 35"),
        (8_000_000, 80_000, "rate 8000000bit burst 10000 limit 35000"),
        (100_000_000_000, 1_000_000, "rate 100000000000bit burst 125600 limit 312625000"),
        (8, 8 * (u64::from(u32::MAX) - 1), "rate 8bit burst 274 limit 4294967294"),
        (10_000_000_000, 12_112, "rate 10000000000bit burst 1520 limit 31251514"),
        (100_000_000_000, 80, "rate 100000000000bit burst 800 limit 312500010"),
    ] {
        let made = script(&json!({"ingressRate": rate, "ingressBurst": burst}), Side::Host);
        assert!(made.contains(queue) && made.lines().count() == 1, "{made}");
    }
}

#[test]
fn packets_are_held_back_where_they_pass() {
    let [egress, ingress] = [Direction::Egress, Direction::Ingress].map(|direction| id().ifb(direction));
    let (egress, ingress) = (egress.as_str(), ingress.as_str());
    let on_host = script(&both(), Side::Host);
    let line = |text: &str| text.replace("EGRESS", egress).replace("INGRESS", ingress);
    for expected in [
        "host       tc qdisc add dev up0 root handle 1: tbf rate 8000000bit burst 10000 limit 35000",
        "host       tc qdisc add dev up0 ingress",
        "host       tc qdisc add dev EGRESS root handle 1: tbf rate 16000000bit burst 20000 limit 70000",
        "host       tc filter add dev up0 ingress protocol all pref 1 handle ::800 u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev EGRESS",
    ] {
        assert!(on_host.contains(&line(expected)), "{expected} in {on_host}");
    }
    let inside = script(&both(), Side::Container);
    for expected in [
        "container  tc qdisc add dev up0 root handle 1: tbf rate 16000000bit burst 20000 limit 70000",
        "container  tc qdisc add dev up0 ingress",
        "container  tc qdisc add dev INGRESS root handle 1: tbf rate 8000000bit burst 10000 limit 35000",
    ] {
        assert!(inside.contains(&line(expected)), "{expected} in {inside}");
    }
}

#[test]
fn subnets_are_those_of_the_other_end() {
    let mut config = both();
    config["unshapedSubnets"] = json!(["10.0.0.0/8", "fd00::/8"]);
    let made = script(&config, Side::Host);
    for expected in [
        "tc qdisc add dev up0 clsact",
        "up0 ingress protocol ip pref 1 handle ::800 u32 match ip dst 10.0.0.0/8 flowid 1:1\n",
        "up0 ingress protocol ipv6 pref 2 handle ::800 u32 match ip6 dst fd00::/8 flowid 1:1\n",
        "up0 ingress protocol all pref 3 ",
        "up0 egress protocol ip pref 258 handle ::800 u32 match ip src 10.0.0.0/8 flowid 1:1\n",
        "up0 egress protocol all pref 260 ",
    ] {
        assert!(made.contains(expected), "{expected} in {made}");
    }
    assert!(!made.contains("dev up0 root"), "{made}");
    config.as_object_mut().unwrap().remove("unshapedSubnets");
    config["shapedSubnets"] = json!(["10.0.0.0/8"]);
    let made = script(&config, Side::Container);
    assert!(made.contains("up0 ingress protocol ip pref 1 handle ::800 u32 match ip src 10.0.0.0/8"), "{made}");
    assert!(made.contains("up0 egress protocol ip pref 258 handle ::800 u32 match ip dst 10.0.0.0/8"), "{made}");
    assert!(!made.contains("protocol all"), "{made}");
}

#[test]
fn the_ifb_of_the_reference_is_known_by_its_name() {
    let id = AttachmentId {
        network: "cni-plugin-bandwidth-test".parse().unwrap(),
        container: "dummy".parse().unwrap(),
        ..id()
    };
    assert_eq!(reference::name(&id).as_str(), "bwpa8eda89404b7");
}
