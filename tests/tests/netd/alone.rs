//! What netd does by itself: for the dead, for verbs that were killed, for the host, for its service manager.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{Container, Daemon, Host, Lab, Outcome, built, eventually, holds_within, run};

use super::web;

const SOON: Duration = Duration::from_secs(10);

fn netd(host: &Host, words: &[&str]) -> Outcome {
    run(host.command(built("netd").to_str().unwrap()).args(words), b"")
}

/// Two attached containers.
fn two(host: &Host) -> [Container; 2] {
    let containers = ["c1", "c2"].map(|name| host.container(name));
    for container in &containers {
        container.add(&web());
    }
    containers
}

#[test]
fn what_a_dead_container_left_is_taken_back_after_a_minute() {
    let lab = Lab::new();
    let host = lab.host("a");
    let daemon = host.netd();
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    c1.add(&web());
    c2.add(&web()).forget();
    let died = Instant::now();
    c2.vanish();
    let left = || host.leftovers().into_iter().filter(|line| line.contains("10.1.0.3")).collect::<Vec<_>>();
    eventually(Duration::from_secs(90), || left().is_empty());
    assert!(died.elapsed() > Duration::from_secs(55), "its runtime had no time to do so itself");
    assert_eq!(c1.dig_with("c2.web.internal A").status, "NXDOMAIN");
    assert_eq!(c1.check(), Ok(()), "the living keep theirs");
    daemon.stop();
}

#[test]
fn what_a_killed_verb_left_is_finished() {
    let lab = Lab::new();
    let host = lab.host("a");
    let [c1, c2] = two(&host);
    let folder = host.run_dir().join("attachments/web");
    let of_c2 = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of_c2: Vec<_> = of_c2.filter(|path| fs::read_to_string(path).unwrap().contains("\"c2\"")).collect();
    let [document] = of_c2.as_slice() else { panic!("{of_c2:?}") };
    let text = fs::read_to_string(document).unwrap();
    fs::write(document, text.replace("\"ready\"", "\"adding\"")).unwrap();
    let daemon = host.netd();
    eventually(SOON, || !document.exists());
    let left = host.leftovers();
    assert!(!left.iter().any(|line| line.contains("10.1.0.3") || line.contains("c2")), "{left:#?}");
    assert_eq!(c1.check(), Ok(()));
    // The runtime, which knows of no netd, does what it always does.
    assert_eq!(c2.detach(), Ok(()));
    daemon.stop();
}

#[test]
fn a_verb_that_is_alive_is_left_to_it() {
    let lab = Lab::new();
    let host = lab.host("a");
    let [c1, _] = two(&host);
    let document = fs::read_dir(host.run_dir().join("attachments/web")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&document).unwrap();
    fs::write(&document, text.replace("\"ready\"", "\"adding\"")).unwrap();
    let lock = host.run_dir().join("locks/attachments").join(document.file_stem().unwrap());
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    // As a verb does: it holds the lock for as long as it lives.
    let verb = Daemon::start(&host, "flock".as_ref(), host.folder().join("verb.log"), |command| {
        command.arg("--no-fork").arg(&lock).args(["sleep", "60"]);
    });
    eventually(SOON, || lock.exists());
    let daemon = host.netd();
    assert!(!holds_within(SOON, || !document.exists()));
    fs::write(&document, text).unwrap();
    verb.kill();
    eventually(SOON, || c1.dig_with("c2.web.internal A").status == "NOERROR");
    daemon.stop();
}

#[test]
fn check_says_what_is_wrong_and_what_to_do() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.write_resolv_conf("nameserver 192.0.2.53\n");
    let silent = netd(&host, &["check"]);
    assert!(silent.code == Some(1) && silent.stdout.contains("systemctl start netd"), "{silent:?}");
    assert!(silent.stdout.contains("upstreams  ok\n"), "{silent:?}");
    let daemon = host.netd();
    let [c1, _] = two(&host);
    eventually(SOON, || netd(&host, &["check"]).success());
    host.sh("nft 'add table inet mine; add chain inet mine in { type filter hook input priority 0; policy drop; }'");
    assert_eq!(c1.dig_with("+time=1 +tries=1 c2.web.internal A").status, "silence");
    let closed = netd(&host, &["check"]);
    assert_eq!(closed.code, Some(1), "{closed:?}");
    let command = closed.stdout.lines().find_map(|line| line.split_once("no answers: ")).unwrap().1.to_owned();
    eventually(SOON, || daemon.log().contains(&command.replace('"', "\\\"")) || daemon.log().contains(&command));
    host.sh(&command);
    assert_eq!(c1.dig_with("c2.web.internal A").status, "NOERROR", "{command}");
    daemon.stop();
}

#[test]
fn the_hosts_own_default_route_survives_forwarding() {
    let lab = Lab::new();
    let [host, other] = ["a", "o"].map(|name| lab.host(name));
    host.link_to(&other, "192.0.2.1/24", "192.0.2.2/24");
    let daemon = host.netd();
    two(&host);
    let read = |path: &str| host.run(&format!("cat /proc/sys/net/ipv6/conf/{path}")).text().trim().to_owned();
    host.sh("echo 0 > /proc/sys/net/ipv6/conf/all/forwarding; echo 1 > /proc/sys/net/ipv6/conf/to-o/accept_ra");
    eventually(SOON, || read("all/forwarding") == "1");
    assert_eq!(read("to-o/accept_ra"), "2");
    daemon.stop();
}

#[test]
fn there_is_one_netd_for_a_run_directory() {
    let lab = Lab::new();
    let host = lab.host("a");
    let daemon = host.netd();
    let second = netd(&host, &["run"]);
    assert!(!second.success() && second.stderr.contains("another netd"), "{second:?}");
    daemon.kill();
    // What a killed netd left is no other netd.
    host.netd().stop();
}

#[test]
fn the_service_manager_hears_that_the_loop_turns() {
    let lab = Lab::new();
    let host = lab.host("a");
    let path = host.folder().join("manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let heard = || {
        let mut bytes = [0; 256];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    };
    let daemon = Daemon::start(&host, &built("netd"), host.folder().join("netd.log"), |command| {
        command.arg("run").env("NOTIFY_SOCKET", &path);
    });
    let mut words: Vec<String> = (0..4).map(|_| heard()).collect();
    assert!(words.contains(&"READY=1".to_owned()), "{words:?}");
    assert!(words.iter().filter(|word| *word == "WATCHDOG=1").count() >= 2, "{words:?}");
    daemon.stop();
    while words.last().is_some_and(|word| word != "STOPPING=1") {
        words.push(heard());
    }
}

#[test]
fn the_command_line_helps() {
    let lab = Lab::new();
    let host = lab.host("a");
    assert!(netd(&host, &["--version"]).stdout.starts_with("netd "));
    assert!(netd(&host, &["completions", "bash"]).stdout.contains("complete -F"));
    for wrong in [
        &["pause", "../x"][..],
        &["show", "nothing"],
        &["run", "--config", "/nowhere/netd.toml"],
        &["pause", "x"],
        &["resume", "x"],
    ] {
        let refused = netd(&host, wrong);
        assert!(
            !refused.success() && refused.stdout.is_empty() && !refused.stderr.is_empty(),
            "{wrong:?}: {refused:?}"
        );
    }
    for subject in ["networks", "attachments", "names", "peers"] {
        let empty: Value = serde_json::from_str(&host.netd_show(&format!("{subject} --json"))).unwrap();
        assert_eq!(empty, serde_json::json!([]), "{subject}");
    }
    netd(&host, &["check"]);
    assert!(!host.run_dir().exists(), "who only looks leaves nothing");
}
