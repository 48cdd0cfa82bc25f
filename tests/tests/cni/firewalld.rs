//! The real firewalld on a host, with `firewall` and `portmap` after `bridge`: before, during and after a reload.

use serde_json::{Value, json};
use tests::{Daemon, Host, Lab, eventually, holds_within, need};

use super::config::with;
use super::portmap::{answering, at, attachment, host_and_outside, list, reaches};

/// How long it takes where the processor is emulated.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// D-Bus and firewalld as the host's own; what firewalld is to know for ever is in a folder of the lab.
fn firewalld(host: &Host) -> [Daemon; 2] {
    need("/usr/sbin/firewalld", "firewalld");
    need("/usr/bin/dbus-daemon", "dbus-daemon");
    let folder = host.folder().join("firewalld");
    std::fs::create_dir(&folder).unwrap();
    host.sh("mkdir /run/dbus");
    let bus = Daemon::start(host, "/usr/bin/dbus-daemon".as_ref(), host.folder().join("dbus.log"), |command| {
        command.args([
            "--system",
            "--nofork",
            "--nopidfile",
            "--nosyslog",
            "--address=unix:path=/run/dbus/system_bus_socket",
        ]);
    });
    eventually(PATIENCE, || host.run("test -S /run/dbus/system_bus_socket").success());
    let log = host.folder().join("firewalld.log");
    let daemon = Daemon::start(host, "/usr/sbin/firewalld".as_ref(), log.clone(), |command| {
        command.args(["--nofork", "--nopid", "--log-target=console", "--system-config"]).arg(&folder);
    });
    let runs = || host.run("firewall-cmd --state").success();
    assert!(holds_within(PATIENCE, runs), "{}", std::fs::read_to_string(log).unwrap_or_default());
    [bus, daemon]
}

fn trusted(host: &Host) -> String {
    host.sh("firewall-cmd --zone=trusted --list-interfaces").trim().to_owned()
}

/// What firewalld knows only while it runs goes with a reload, which is how one sees that it came: the answer to who asked may
/// be late where the processor is emulated.
fn reload(host: &Host) {
    host.sh("firewall-cmd --add-port=9/tcp");
    host.run("firewall-cmd --reload");
    let is_asked = |answer: &str| host.run("firewall-cmd --query-port=9/tcp").stdout.trim() == answer;
    assert!(holds_within(PATIENCE, || is_asked("no")), "it was reloaded");
}

#[test]
fn a_published_port_passes_firewalld_also_after_a_reload() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    let [_bus, _firewalld] = firewalld(&host);
    let config = config();
    let c1 = host.container("c1");
    let first = c1.keep(attachment(&c1, &config, &at(8080)));
    first.add().unwrap();
    assert_eq!(trusted(&host), "br-web");
    let _answers = answering(&c1, 80);
    assert!(c1.pings("192.0.2.2") && reaches(&outside, "192.0.2.1:8080"));
    assert_eq!((first.check(), host.status(&config)), (Ok(()), Ok(())));

    reload(&host);
    let _netd = host.netd();
    assert!(holds_within(PATIENCE * 2, || trusted(&host) == "br-web"), "{}", trusted(&host));
    assert!(c1.pings("192.0.2.2") && reaches(&outside, "192.0.2.1:8080"));
    assert_eq!((first.check(), host.status(&config)), (Ok(()), Ok(())));

    // Somebody takes it out.
    host.sh("firewall-cmd --zone=trusted --remove-interface=br-web");
    assert_eq!(first.check().unwrap_err().code, 103);
    assert!(holds_within(PATIENCE * 2, || trusted(&host) == "br-web"), "netd puts it back");
    assert!(c1.pings("192.0.2.2") && reaches(&outside, "192.0.2.1:8080"));

    assert_eq!(first.del(), Ok(()));
    assert_eq!(trusted(&host), "");
    let ruleset = host.kernel_text();
    let left = ruleset.lines().filter(|line| line.contains("\"firewalld\"") && line.contains("br-web"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0], "firewalld keeps the chains of the zone, empty");
}

/// `bridge`, `portmap` and `firewall`.
fn config() -> Value {
    let mut config = list("1.1.0", &json!({}));
    config["plugins"][0] = with(config["plugins"][0].clone(), &json!({"ipMasq": true}));
    config["plugins"].as_array_mut().unwrap().push(json!({"type": "firewall"}));
    config
}
