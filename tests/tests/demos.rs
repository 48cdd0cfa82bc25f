//! The demos, as `make demo` and `make demo-overlay` play them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use tests::{built, need, run, skip, workspace};

/// Plays one to its end.
fn plays(name: &str) {
    if !rustix::process::geteuid().is_root() {
        skip("namespaces need root here");
    }
    for (path, package) in [("/usr/bin/jq", "jq"), ("/usr/bin/curl", "curl"), ("/usr/bin/busybox", "busybox-static")] {
        need(path, package);
    }
    let demo = workspace().join("tests/demo").join(name);
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    let played = run(command.arg(demo).arg(built("netd").parent().unwrap()), b"");
    assert!(played.success(), "{}\n{}", played.stdout, played.stderr);
    assert!(played.stdout.contains("\nSummary\n"), "{}", played.stdout);
}

#[test]
fn containers_of_a_host_find_each_other() {
    plays("play");
}

#[test]
fn hosts_share_a_network_and_one_dies() {
    plays("overlay");
}
