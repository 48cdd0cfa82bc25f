//! Sockets that the service manager keeps: questions wait in them while no netd runs.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Container, Daemon, Host, Lab, ServiceManager, eventually, holds_within};

use super::{
    load::{LOAD, client},
    network,
};

const SOON: Duration = Duration::from_secs(20);

/// How many ask, each one question at a time: so many are under way at most.
const ASKERS: u64 = 16;

/// Asks for names of three networks for three seconds, in which `happens`; what came of that. Who asks pauses after each
/// answer, in milliseconds, and so netd does: what it has in its hands when it is killed is lost.
fn under_load(host: &Host, client: &Container, pause: u8, happens: impl FnOnce()) -> Value {
    let log = client.folder().join("load.log");
    let _ = std::fs::remove_file(&log);
    let mut load = Daemon::start(client, LOAD.as_ref(), log, |command| {
        command.arg(host.run_dir()).args(["3", "3", "0"]).args([ASKERS, pause.into()].map(|it| it.to_string()));
    });
    eventually(SOON, || load.log().contains("ready\n"));
    happens();
    assert!(holds_within(SOON, || !load.is_running()), "{}", load.log());
    let log = load.log();
    let said: Value =
        serde_json::from_str(log.trim_start_matches("ready\n")).unwrap_or_else(|error| panic!("{error}: {log}"));
    assert!(said["wrong"] == json!([]) && said["asked"].as_u64() > Some(1_000), "{said}");
    said
}

/// Sockets of UDP and TCP on each of the addresses.
fn names(host: &Host, addresses: &[&str]) -> Vec<String> {
    let index = |number: &str| host.link(&format!("br-n{number}"))["ifindex"].to_string();
    let name = |address: &&str| format!("dns-{}-{address}-53", index(address.split('.').nth(1).unwrap()));
    let mut names: Vec<String> = addresses.iter().map(name).flat_map(|name| [name.clone(), name]).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_restart_and_a_kill_under_load_lose_no_question_where_the_service_manager_keeps_the_sockets() {
    let lab = Lab::new();
    let host = lab.host("a");
    let systemd = ServiceManager::listen(host.folder().join("systemd"));
    let mut netd = Some(host.netd_of(&systemd, ""));
    let client = client(&host, 3);
    let mut twice = |pause: u8, end: fn(Daemon)| {
        under_load(&host, &client, pause, || {
            for _ in 0..2 {
                end(netd.take().unwrap());
                netd = Some(host.netd_of(&systemd, ""));
            }
        })
    };
    let said = twice(0, Daemon::stop);
    assert_eq!((&said["lost"], &said["again"]), (&json!([]), &json!(0)), "{said}");
    let said = twice(5, Daemon::kill);
    // What netd had in its hands when it was killed has to be asked again: not what each of them asks, twice.
    assert!(said["lost"] == json!([]) && said["again"].as_u64() < Some(ASKERS), "{said}");
    netd.take().unwrap().stop();
}

/// systemd keeps none where the unit does not say how many.
#[test]
fn the_unit_says_that_systemd_keeps_the_sockets_of_a_thousand_networks() {
    let unit = include_str!("../../../netd/systemd/netd.service");
    let most = unit.lines().find_map(|line| line.strip_prefix("FileDescriptorStoreMax="));
    // UDP and TCP on an address of IPv4 and one of IPv6.
    assert!(most.unwrap().parse::<u32>().unwrap() >= 4 * 1_000, "{most:?}");
}

#[test]
fn where_nobody_keeps_the_sockets_questions_are_lost_while_no_netd_runs() {
    let lab = Lab::new();
    let host = lab.host("a");
    let mut netd = Some(host.netd());
    let client = client(&host, 3);
    let said = under_load(&host, &client, 5, || {
        netd.take().unwrap().kill();
        netd = Some(host.netd());
    });
    // Nearly all ask once while it goes and comes, and few more often; over TCP, what is refused is not asked again.
    let missed = said["again"].as_u64().unwrap() + u64::try_from(said["lost"].as_array().unwrap().len()).unwrap();
    assert!((ASKERS / 2 + 1..=3 * ASKERS).contains(&missed), "{said}");
    netd.take().unwrap().stop();
}

#[test]
fn exactly_the_sockets_of_networks_that_are_there_are_kept_and_used_whatever_they_are_called() {
    let lab = Lab::new();
    let host = lab.host("a");
    let systemd = ServiceManager::listen(host.folder().join("systemd"));
    let netd = host.netd_of(&systemd, "");
    let client = client(&host, 2);
    let both = names(&host, &["10.1.0.1", "10.2.0.1"]);
    eventually(SOON, || systemd.kept() == both);
    netd.kill();
    // As those of a socket unit are.
    systemd.rename("netd.socket");
    let question = client.folder().join("question.log");
    let asks = Daemon::start(&client, "dig".as_ref(), question, |command| {
        command.args("+time=10 +tries=1 +noall +answer @10.2.0.1 client.n2.internal A".split(' '));
    });
    // It waits in the socket.
    eventually(SOON, || {
        host.run("ss -Hlun sport = 53").text().lines().any(|line| line.split_whitespace().nth(1) > Some("0"))
    });
    let netd = host.netd_of(&systemd, "");
    eventually(SOON, || asks.log().contains("10.2.0.2"));
    eventually(SOON, || systemd.kept() == both);
    // Who comes when the last one has just gone finds the place free.
    let again = host.container("again");
    let config = network("web", 3, &json!({}));
    for _ in 0..5 {
        let attachment = again.add(&config);
        assert_eq!(again.dig("again").status, "NOERROR");
        attachment.del().unwrap();
    }
    assert!(!netd.log().contains("another program"), "{}", netd.log());
    assert_eq!(client.detach(), Ok(()));
    eventually(SOON, || systemd.kept().is_empty());
    netd.stop();
}
