//! Clients that people have: programs with the C library of glibc and with musl, and both with systemd-resolved before netd.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Container, Daemon, Lab, eventually, need, run, workspace};

use super::{forwarding::resolver, network};

const SOON: Duration = Duration::from_secs(10);

/// How many addresses the name `many` has: more than 512 octets hold, and more than 1232.
const MANY: u8 = 100;
/// How many of them are in an answer of 512 octets.
const IN_512: usize = 25;

/// What a client is asked (name and family) and says: addresses, or a word.
type Case = (&'static str, &'static str, &'static [&'static str]);

const CASES: [Case; 11] = [
    ("c2", "", &["10.1.0.3", "2001:db8:1::3"]),
    ("c2", "4", &["10.1.0.3"]),
    ("c2.web.internal", "6", &["2001:db8:1::3"]),
    ("c2.web.internal.", "", &["10.1.0.3", "2001:db8:1::3"]),
    // It has one of IPv4 alone, and one who asks for both has that.
    ("printer", "", &["192.0.2.9"]),
    ("printer", "4", &["192.0.2.9"]),
    ("printer", "6", &["nothing"]),
    ("nobody", "", &["unknown"]),
    ("nobody.web.internal", "", &["unknown"]),
    // Five dots it has not: first each domain of the search list is tried, where netd itself says that it is not there.
    ("www.example.com", "4", &["203.0.113.7"]),
    ("www.example.com.", "4", &["203.0.113.7"]),
];

/// A network with records of which one name has many addresses.
fn with_records() -> Value {
    let many = (1..=MANY).map(|last| json!({"name": "many", "type": "A", "data": format!("192.0.2.{last}")}));
    let printer = json!({"name": "printer", "type": "A", "data": "192.0.2.9"});
    network("web", 1, &json!({"records": many.chain([printer]).collect::<Vec<_>>()}))
}

/// A container with a search list as Kubernetes has them, on a host whose upstream gives 203.0.113.7 for every name.
fn with_clients(tests: impl FnOnce(&Lab, &Container)) {
    let lab = Lab::new();
    let [host, outside] = ["a", "o"].map(|name| lab.host(name));
    host.link_to(&outside, "192.0.2.1/24", "192.0.2.53/24");
    host.write_resolv_conf("nameserver 192.0.2.53\n");
    let upstream = resolver(&outside, "203.0.113.7");
    let netd = host.netd();
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    c1.add(&with_records());
    c2.add(&with_records());
    c1.write_resolv_conf(&resolv_conf("10.1.0.1"));
    tests(&lab, &c1);
    upstream.kill();
    netd.stop();
}

fn resolv_conf(server: &str) -> String {
    format!("nameserver {server}\nsearch shop.web.internal svc.web.internal web.internal\noptions ndots:5\n")
}

/// The program that asks, compiled against the C library of `compiler`.
fn program(lab: &Lab, compiler: &str, package: &str, words: &[&str]) -> PathBuf {
    need(compiler, package);
    let program = lab.folder().join(Path::new(compiler).file_name().unwrap());
    let source = workspace().join("tests/tests/netd/getaddrinfo.c");
    run(Command::new(compiler).args(["-Wall", "-Werror"]).args(words).arg("-o").arg(&program).arg(source), b"").text();
    program
}

fn of_glibc(lab: &Lab) -> PathBuf {
    program(lab, "/usr/bin/gcc", "gcc", &[])
}

fn of_musl(lab: &Lab) -> PathBuf {
    program(lab, "/usr/bin/musl-gcc", "musl-tools", &["-static"])
}

/// What the program says, in order.
fn said(client: &Container, program: &Path, name: &str, family: &str) -> BTreeSet<String> {
    let mut command = client.command(program.to_str().unwrap());
    command.arg(name).args((!family.is_empty()).then_some(family));
    run(&mut command, b"").text().lines().map(str::to_owned).collect()
}

/// Asks all; `nothing` is what the library says where there is no address of the family.
fn ask_all(client: &Container, program: &Path, nothing: &str) {
    for (name, family, expected) in CASES {
        let expected = expected.iter().map(|word| if *word == "nothing" { nothing } else { word }.to_owned()).collect();
        assert_eq!(said(client, program, name, family), expected, "{name} {family:?}");
    }
}

fn many() -> BTreeSet<String> {
    (1..=MANY).map(|last| format!("192.0.2.{last}")).collect()
}

#[test]
fn programs_with_glibc_find_names_through_search_lists_and_by_tcp_what_udp_cannot_hold() {
    with_clients(|lab, client| {
        let program = of_glibc(lab);
        ask_all(client, &program, "nothing");
        assert_eq!(said(client, &program, "many", "4"), many());
    });
}

#[test]
fn programs_with_musl_find_names_through_search_lists_and_use_what_udp_holds() {
    with_clients(|lab, client| {
        let program = of_musl(lab);
        // Of a name that is there, musl says before 1.2.4 the same as of one that is not.
        let nothing = said(client, &program, "printer", "6");
        assert!(
            ["nothing", "unknown"].iter().any(|word| nothing == BTreeSet::from([(*word).to_owned()])),
            "{nothing:?}"
        );
        ask_all(client, &program, nothing.first().unwrap());
        // Before 1.2.4 musl knows no TCP, and takes an answer that is cut as it is.
        let found = said(client, &program, "many", "4");
        assert!(found.is_subset(&many()) && found.len() >= IN_512, "{found:?}");
    });
}

/// systemd-resolved with the container's resolv.conf as it is now, and a /run of its own; it answers at 127.0.0.53.
const RESOLVED: &str = r#"set -e
mount -t tmpfs tmpfs /run
mkdir /run/systemd
cp /etc/resolv.conf /run/resolv.conf
cp /etc/passwd /etc/group /run
grep -q ^systemd-resolve: /run/passwd || echo systemd-resolve:x:65533:65533::/:/usr/sbin/nologin >> /run/passwd
grep -q ^systemd-resolve: /run/group || echo systemd-resolve:x:65533: >> /run/group
for file in resolv.conf passwd group; do mount --bind /run/$file "$(realpath /etc/$file)"; done
exec "$1""#;

#[test]
fn systemd_resolved_finds_them_as_well_for_programs_of_both_kinds() {
    let resolved = workspace().join("target/packages/systemd-resolved/lib/systemd/systemd-resolved");
    need(resolved.to_str().unwrap(), "systemd-resolved");
    with_clients(|lab, client| {
        let log = client.folder().join("resolved.log");
        let daemon = Daemon::start(client, "unshare".as_ref(), log, |command| {
            command.args(["--mount", "sh", "-c", RESOLVED, "sh"]).arg(&resolved);
        });
        eventually(SOON, || client.dig_with("@127.0.0.53 c2.web.internal A").addresses() == ["10.1.0.3"]);
        client.write_resolv_conf(&resolv_conf("127.0.0.53"));
        for program in [of_glibc(lab), of_musl(lab)] {
            let nothing = said(client, &program, "printer", "6");
            ask_all(client, &program, nothing.first().unwrap());
        }
        assert_eq!(said(client, &of_glibc(lab), "many", "4"), many());
        daemon.kill();
    });
}
