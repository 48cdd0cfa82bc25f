//! ADD and DEL die at every system call in turn, and the DEL that follows leaves nothing.
//!
//! `make test` kills at every call that can change something; `make test-crash` at every call, and `make test-vm` at two
//! or three for kinds of interfaces that this kernel may lack.
#![allow(clippy::panic, clippy::print_stderr, clippy::unwrap_used, reason = "tests")]

mod interfaces;

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Attachment, Call, Container, Host, Lab, Trace, holds_within};

/// A killed plugin's `nft` runs on for a moment.
const SETTLED: Duration = Duration::from_secs(10);

/// Calls are not always as many: a point that a run did not come to is tried again.
const TRIES: usize = 3;

/// More calls than anything makes.
const MOST: usize = 100_000;

fn config() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "name": "web",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "br-web",
                "isDefaultGateway": true,
                "ipMasq": true,
                "macspoofchk": true,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8::/64"}]]}
            },
            {"type": "dns"}
        ]
    })
}

/// A host that has made what a list shares, and the text of its kernel at rest.
struct Settled {
    host: Host,
    text: String,
    config: Value,
}

impl Settled {
    fn new(lab: &Lab, name: &str, config: Value) -> Self {
        Self::on(lab.host(name), config)
    }

    fn on(host: Host, config: Value) -> Self {
        host.container("warm").add(&config).del().unwrap();
        Self { text: host.kernel_text(), host, config }
    }

    /// After the DEL that follows a crash, the host is as if the container had never been.
    #[track_caller]
    fn assert_clean(&self, when: &str) {
        let mut wrong = Vec::new();
        let clean = holds_within(SETTLED, || {
            wrong = [self.host.leftovers(), self.host.changes_since(&self.text)].concat();
            wrong.is_empty()
        });
        assert!(clean, "{when}: {wrong:#?}");
    }
}

/// One verb of one plugin of the list, killed at every chosen point.
struct Crash<'a> {
    config: &'a Value,
    container: &'a Container,
    command: &'static str,
    index: usize,
}

impl Crash<'_> {
    /// Brings a new attachment to where the call comes, and gives the call.
    fn prepare(&self) -> (Attachment, Call) {
        let attachment = self.container.attachment(self.config, "eth0");
        if self.command == "ADD" {
            let mut result = None;
            for index in 0..self.index {
                result = Some(attachment.call("ADD", index, result.as_ref()).run().answer().unwrap());
            }
            let call = attachment.call("ADD", self.index, result.as_ref());
            return (attachment, call);
        }
        let result = attachment.add().unwrap();
        for index in (self.index + 1..self.length()).rev() {
            attachment.call("DEL", index, Some(&result)).run().answer().unwrap();
        }
        let call = attachment.call("DEL", self.index, Some(&result));
        (attachment, call)
    }

    /// How many plugins the list has.
    fn length(&self) -> usize {
        self.config["plugins"].as_array().map_or(1, Vec::len)
    }

    /// Whether the plugin died at this point; either way DEL cleans up after it.
    fn kill_at(&self, point: usize) -> bool {
        let (attachment, call) = self.prepare();
        let Trace { killed, succeeded, .. } = call.trace(Some(point));
        assert!(killed || succeeded, "{} failed before call {point}", self.command);
        let deleted = attachment.del();
        assert!(deleted.is_ok(), "DEL after {} was killed at call {point}: {deleted:?}", self.command);
        killed
    }
}

#[track_caller]
fn every_point(command: &'static str, index: usize) {
    let lab = Lab::new();
    every_point_on(&Settled::new(&lab, "a", config()), command, index);
}

#[track_caller]
fn every_point_on(settled: &Settled, command: &'static str, index: usize) {
    let container = settled.host.container(&format!("c-{command}-{index}"));
    let crash = Crash { config: &settled.config, container: &container, command, index };
    container.attachment(&settled.config, "eth0").add().unwrap();
    container.attachment(&settled.config, "eth0").del().unwrap();
    let empty = container.kernel_text();
    let killed = at_every_point(|point| {
        let killed = crash.kill_at(point);
        settled.assert_clean(&format!("{command} of plugin {index} killed at call {point}"));
        assert_eq!(container.changes_since(&empty), [""; 0], "{command} of plugin {index} killed at call {point}");
        killed
    });
    eprintln!("{command}: killed at {killed} points");
}

/// Kills at the first point, the next and so on, until what is killed ends by itself before: at how many.
#[track_caller]
fn at_every_point(kill_at: impl Fn(usize) -> bool) -> usize {
    let killed = points().take_while(|point| (0..TRIES).any(|_| kill_at(*point))).count();
    assert!(killed > 0, "killed nowhere");
    killed
}

/// All of them, or with `CRASH_POINTS=few` ever fewer towards the end.
fn points() -> impl Iterator<Item = usize> {
    let is_few = std::env::var("CRASH_POINTS").is_ok_and(|value| value == "few");
    let next = move |point: &usize| Some(if is_few { 8 * point + 7 } else { point + 1 });
    std::iter::successors(Some(0), next).take_while(|point| *point < MOST)
}

#[test]
fn add_of_bridge_killed_at_any_point_is_undone_by_del() {
    every_point("ADD", 0);
}

#[test]
fn add_of_dns_killed_at_any_point_is_undone_by_del() {
    every_point("ADD", 1);
}

#[test]
fn del_of_bridge_killed_at_any_point_is_finished_by_another() {
    every_point("DEL", 0);
}

#[test]
fn del_of_dns_killed_at_any_point_is_finished_by_another() {
    every_point("DEL", 1);
}

/// Takes away what containers share, and what their network remembers.
const AS_NEW: &str = "ip link del br-web || true; nft flush ruleset; rm -rf /run/netd /var/lib/cni
for key in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 0 > /proc/sys/net/$key; done";

/// The very first ADD makes what all share as well, and starts `nft`.
#[test]
fn first_add_of_a_host_killed_at_any_point_is_undone_by_del() {
    let lab = Lab::new();
    let settled = Settled::new(&lab, "a", config());
    let container = settled.host.container("c1");
    let first_add = || {
        settled.host.run_script(AS_NEW);
        container.attachment(&config(), "eth0")
    };
    let attachment = first_add();
    assert!(attachment.call("ADD", 0, None).trace(None).programs > 0, "nft loads the ruleset");
    attachment.del().unwrap();
    let killed = at_every_point(|point| {
        let attachment = first_add();
        let Trace { killed, succeeded, .. } = attachment.call("ADD", 0, None).trace(Some(point));
        assert!(killed || succeeded, "ADD failed before call {point}");
        attachment.del().unwrap();
        let mut left = Vec::new();
        let clean = holds_within(SETTLED, || {
            left = settled.host.leftovers();
            left.is_empty()
        });
        assert!(clean, "first ADD killed at call {point}: {left:#?}");
        attachment.add().unwrap();
        attachment.del().unwrap();
        settled.assert_clean(&format!("another ADD and DEL after the first ADD was killed at call {point}"));
        killed
    });
    eprintln!("first ADD: killed at {killed} points");
}

/// The killer does not lie: a script that writes three files dies at each of its calls, and leaves one file at a time.
#[test]
fn a_command_dies_at_the_call_that_was_chosen() {
    let lab = Lab::with_plugins(tests::REFERENCE);
    let host = lab.host("a");
    let program = lab.folder().join("script");
    let script = "#!/bin/sh\nfor file in 1 2 3; do echo > /run/$file; done\n(exit 3)";
    host.sh(&format!("cat > {0} <<'END'\n{script}\nEND\nchmod +x {0}", program.display()));
    let call = host.call(program.to_str().unwrap(), "ADD");
    let files = || (1..4).filter(|file| host.folder().join(format!("run/{file}")).exists()).count();
    let whole = call.trace(None);
    assert_eq!((whole.killed, files(), whole.programs), (false, 3, 0));
    let mut seen = Vec::new();
    for point in 0..whole.points {
        host.sh("rm -f /run/1 /run/2 /run/3");
        let trace = call.trace(Some(point));
        assert!(trace.killed && trace.points == point + 1, "{trace:?}");
        seen.push(files());
    }
    assert!(seen.is_sorted(), "{seen:?}");
    seen.dedup();
    assert_eq!(seen, [0, 1, 2, 3]);
}
