//! Who is asked for which names, with a second server that is not ours: dnsmasq, for `corp.example`.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Container, Daemon, Host, Lab, eventually, need};

const UPSTREAM: &str = env!("CARGO_BIN_EXE_upstream");
const DNSMASQ: &str = "/usr/sbin/dnsmasq";
const UNBOUND: &str = "/usr/sbin/unbound";
const SOON: Duration = Duration::from_secs(10);

/// A host whose resolver gives 203.0.113.7 for every name, and beside it one at 192.0.2.54 that knows `corp.example`.
struct Outside {
    host: Host,
    other: Host,
    resolver: Daemon,
    corp: Daemon,
}

impl Outside {
    fn new(lab: &Lab) -> Self {
        let [host, outside] = ["a", "o"].map(|name| lab.host(name));
        host.link_to(&outside, "192.0.2.1/24", "192.0.2.53/24");
        outside.sh("ip address add 192.0.2.54/24 dev to-a");
        host.write_resolv_conf("nameserver 192.0.2.53\n");
        let resolver = Daemon::start(&outside, UPSTREAM.as_ref(), outside.folder().join("upstream.log"), |command| {
            command.args(["192.0.2.53", "203.0.113.7"]);
        });
        let corp = corp(&outside);
        eventually(SOON, || outside.dig_with("@192.0.2.53 ready.example").status != "silence");
        Self { host, other: outside, resolver, corp }
    }

    /// A container in a network of this number whose `dns` plugin says this.
    fn container(&self, name: &str, network: (&str, u8), dns: &Value) -> Container {
        let container = self.host.container(name);
        container.add(&super::network(network.0, network.1, dns));
        container
    }
}

/// dnsmasq with a name that lives for ten minutes, and an answer longer than a datagram.
fn corp(outside: &Host) -> Daemon {
    need(DNSMASQ, "dnsmasq-base");
    let many = (1..=60).map(|last| format!("--host-record=many.corp.example,198.51.100.{last}"));
    let daemon = Daemon::start(outside, Path::new(DNSMASQ), outside.folder().join("corp.log"), |command| {
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--no-resolv"]);
        command.args(["--no-hosts", "--bind-interfaces", "--listen-address=192.0.2.54", "--local=/corp.example/"]);
        command.args(["--local-ttl=600", "--neg-ttl=600", "--host-record=db.corp.example,198.51.100.9"]).args(many);
    });
    eventually(SOON, || outside.dig_with("@192.0.2.54 db.corp.example").status == "NOERROR");
    daemon
}

fn addresses(container: &Container, words: &str) -> Vec<String> {
    container.dig_with(words).addresses()
}

#[test]
fn split_domains_of_the_settings_hold_in_every_network_and_change_with_them() {
    let lab = Lab::new();
    let outside = Outside::new(&lab);
    let netd = outside.host.netd_with("split_domains.'Corp.example' = ['192.0.2.54']\n");
    let web = outside.container("c1", ("web", 1), &json!({}));
    let internal = outside.container("c2", ("db", 2), &json!({"internal": true}));
    for (name, expected) in [
        ("db.corp.example", "198.51.100.9"),
        ("DB.CORP.Example", "198.51.100.9"),
        ("www.example.com", "203.0.113.7"),
        ("corp.example.com", "203.0.113.7"),
    ] {
        assert_eq!(addresses(&web, name), [expected], "{name}");
        assert_eq!(addresses(&internal, name), [""; 0], "{name} is not asked for an internal network");
    }
    assert_eq!(web.dig_with("nobody.corp.example").status, "NXDOMAIN");
    outside.host.sh(&format!("echo > {}", outside.host.folder().join("netd.toml").display()));
    outside.host.sh(&format!("kill -HUP {}", netd.pid()));
    eventually(SOON, || addresses(&web, "db.corp.example") == ["203.0.113.7"]);
    netd.stop();
}

#[test]
fn a_network_and_a_container_have_servers_of_their_own() {
    let lab = Lab::new();
    let outside = Outside::new(&lab);
    let netd = outside.host.netd();
    let plain = outside.container("c1", ("web", 1), &json!({}));
    let domains = json!({"splitDomains": {"corp.example": ["192.0.2.54"], "void": []}});
    let split = outside.container("c2", ("lab", 2), &domains);
    let own = json!({"runtimeConfig": {"dns": {"servers": ["192.0.2.54"]}}});
    let own = outside.container("c3", ("web", 1), &own);
    assert_eq!(addresses(&plain, "db.corp.example"), ["203.0.113.7"]);
    assert_eq!(addresses(&split, "db.corp.example"), ["198.51.100.9"]);
    assert_eq!(addresses(&split, "www.example.com"), ["203.0.113.7"]);
    assert_eq!(split.dig_with("x.void").status, "NXDOMAIN");
    assert_eq!(addresses(&own, "db.corp.example"), ["198.51.100.9"]);
    assert_eq!(
        own.dig_with("www.example.com").status,
        "SERVFAIL",
        "its only server refuses that, and nobody else is asked"
    );
    assert_eq!(addresses(&plain, "c3.web.internal"), ["10.1.0.3"], "names of the network are everybody's");
    netd.stop();
}

#[test]
fn what_was_answered_is_kept_whole_and_outlives_its_server() {
    let lab = Lab::new();
    let outside = Outside::new(&lab);
    let netd = outside.host.netd_with("upstreams = ['192.0.2.54']\n");
    let web = outside.container("c1", ("web", 1), &json!({}));
    let many = web.dig_with("+ignore +noedns many.corp.example A");
    assert!((1..60).contains(&many.records.len()), "what fits into 512 octets: {many:?}");
    assert_eq!(web.dig_with("db.corp.example A").addresses(), ["198.51.100.9"]);
    outside.corp.kill();
    assert_eq!(outside.other.dig_with("+time=1 +tries=1 @192.0.2.54 db.corp.example").status, "silence");
    for words in ["+noedns many.corp.example A", "+tcp +noedns many.corp.example A"] {
        assert_eq!(web.dig_with(words).records.len(), 60, "{words}");
    }
    let kept = web.dig_with("DB.corp.example A");
    let [name, ttl, ..] = &kept.records[0];
    assert_eq!((kept.addresses(), name.as_str()), (vec!["198.51.100.9".to_owned()], "DB.corp.example."));
    assert!((1..=600).contains(&ttl.parse().unwrap()), "{kept:?}");
    assert_eq!(web.dig_with("+time=6 other.corp.example A").status, "SERVFAIL");
    netd.stop();
}

#[test]
fn without_a_port_for_another_socket_questions_go_over_a_connection_and_none_meets_silence() {
    let lab = Lab::new();
    let outside = Outside::new(&lab);
    let netd = outside.host.netd_with("upstreams = ['192.0.2.54']\nsplit_domains.plain = ['192.0.2.53']\n");
    let web = outside.container("c1", ("web", 1), &json!({}));
    assert_eq!(web.dig_with("+ignore +noedns many.corp.example A").status, "NOERROR", "its whole came over TCP");
    // One port is left for all sockets, and somebody has it.
    outside.host.sh("echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range");
    let log = outside.host.folder().join("taker.log");
    let taker = Daemon::start(&outside.host, Path::new(DNSMASQ), log, |command| {
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--no-resolv"]);
        command.args(["--port=40000"]);
    });
    eventually(SOON, || outside.host.run("ss -Hlun sport = 40000").text().contains("40000"));
    assert_eq!(addresses(&web, "db.corp.example"), ["198.51.100.9"]);
    for last in 1..=20 {
        assert_eq!(web.dig_with(&format!("n{last}.corp.example")).status, "NXDOMAIN");
    }
    assert_eq!(web.dig_with("www.plain").status, "SERVFAIL", "this one has no TCP");
    taker.kill();
    eventually(SOON, || addresses(&web, "www.plain") == ["203.0.113.7"]);
    outside.resolver.kill();
    netd.stop();
}

#[test]
fn a_resolver_that_leads_back_to_us_is_noticed_at_once() {
    let lab = Lab::new();
    let outside = Outside::new(&lab);
    let netd = outside.host.netd();
    let web = outside.container("c1", ("web", 1), &json!({}));
    assert_eq!(addresses(&web, "a.example.com"), ["203.0.113.7"]);
    for resolver in ["10.1.0.1", "10.1.0.2"] {
        outside.host.write_resolv_conf(&format!("nameserver {resolver}\n"));
        let ask = |name: &str| {
            let started = Instant::now();
            (web.dig_with(&format!("+time=6 {name}")).status, started.elapsed())
        };
        eventually(SOON, || ask(&format!("www.{resolver}.example.com")).0 == "SERVFAIL");
        let (status, elapsed) = ask(&format!("b.{resolver}.example.com"));
        assert!(status == "SERVFAIL" && elapsed < Duration::from_secs(2), "{resolver}: {status} after {elapsed:?}");
    }
    netd.stop();
}

/// A forwarder in a container, which asks another one, which asks netd: nobody sees the circle from where he is.
#[test]
fn a_circle_over_containers_is_one_question_and_ends() {
    need(DNSMASQ, "dnsmasq-base");
    let lab = Lab::new();
    let outside = Outside::new(&lab);
    let netd = outside.host.netd();
    let circle = json!({"upstreams": ["10.1.0.2"]});
    let [first, second, asker] = ["c1", "c2", "c3"].map(|name| outside.container(name, ("web", 1), &circle));
    let forwarder = |container: &Container, server: &str| {
        Daemon::start(container, Path::new(DNSMASQ), container.folder().join("dnsmasq.log"), |command| {
            command.args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--pid-file=",
                "--user=root",
                "--no-resolv",
            ]);
            command.args(["--no-hosts", "--log-queries", "--log-facility=-", "--cache-size=0", "--server", server]);
        })
    };
    let (one, two) = (forwarder(&first, "10.1.0.3"), forwarder(&second, "10.1.0.1"));
    eventually(SOON, || addresses(&second, "@10.1.0.2 c3.web.internal") == ["10.1.0.4"]);
    let started = Instant::now();
    let status = asker.dig_with("+time=6 +tries=1 www.example.com").status;
    let elapsed = started.elapsed();
    assert!(status == "SERVFAIL" && elapsed < Duration::from_secs(6), "{status} after {elapsed:?}");
    // netd asks once, and again after a second and after two: what comes back to it is no new question.
    let count = two.log().to_lowercase().matches("query[a] www.example.com").count();
    assert!((1..=3).contains(&count), "{count}: {}\nONE {}\nNETD {}", two.log(), one.log(), netd.log());
    netd.stop();
}

/// unbound at 192.0.2.54 over TLS, with a certificate of its own for `dns.example`, which is in the folder of `outside`.
fn over_tls(outside: &Host) -> Daemon {
    need(UNBOUND, "unbound");
    need("/usr/bin/openssl", "openssl");
    let folder = outside.folder();
    let [key, certificate, config] = ["tls.key", "tls.pem", "unbound.conf"].map(|name| folder.join(name));
    outside.sh(&format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=dns.example \
         -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:dns.example -keyout {} -out {} 2>/dev/null",
        key.display(),
        certificate.display()
    ));
    let text = format!(
        "server:\n do-daemonize: no\n username: ''\n chroot: ''\n pidfile: ''\n use-syslog: no\n\
         interface: 192.0.2.54@853\n tls-service-key: '{}'\n tls-service-pem: '{}'\n\
         access-control: 192.0.2.0/24 allow\n local-zone: 'corp.example.' static\n\
         local-data: 'db.corp.example. 600 IN A 198.51.100.9'\n",
        key.display(),
        certificate.display()
    );
    std::fs::write(&config, text).unwrap();
    let daemon = Daemon::start(outside, Path::new(UNBOUND), folder.join("unbound.log"), |command| {
        command.arg("-c").arg(&config);
    });
    eventually(SOON, || outside.run("ss -Hltn sport = 853").text().contains("192.0.2.54"));
    daemon
}

#[test]
fn an_upstream_over_tls_is_asked_only_if_it_is_who_it_should_be() {
    let lab = Lab::new();
    let outside = Outside::new(&lab);
    let unbound = over_tls(&outside.other);
    let certificate = outside.other.folder().join("tls.pem");
    let settings = |name: &str| {
        format!("upstreams = ['tls://192.0.2.54#{name}']\nupstream_ca_file = '{}'\n", certificate.display())
    };
    let netd = outside.host.netd_with(&settings("dns.example"));
    let web = outside.container("c1", ("web", 1), &json!({}));
    assert_eq!(addresses(&web, "+time=5 db.corp.example"), ["198.51.100.9"]);
    // dnsmasq is at the same address, where it could be asked in the open.
    assert_eq!(web.dig_with("many.corp.example").status, "NXDOMAIN");
    std::fs::write(outside.host.folder().join("netd.toml"), settings("other.example")).unwrap();
    outside.host.sh(&format!("kill -HUP {}", netd.pid()));
    eventually(SOON, || web.dig_with("+time=6 db.corp.example").status == "SERVFAIL");
    assert_eq!(web.dig_with("+time=6 many.corp.example").status, "SERVFAIL");
    unbound.kill();
    netd.stop();
}
