//! The servers that netd stands beside: those of Debian, each with the same names and told to do nothing else, and the one
//! that only answers.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::load::{Process, Server};
use crate::place::{FOLDER, SERVER};
use crate::rounds::{DOMAIN, ELSEWHERE, Names, START};

const KNOT: u16 = 5303;

/// The server of Debian's that has the names of [`ELSEWHERE`].
pub(crate) fn upstream() -> String {
    format!("{SERVER}:{KNOT}")
}

/// Starts them all.
pub(crate) fn start(names: &Names) -> Result<Vec<Server>> {
    let bare = std::env::current_exe()?.to_string_lossy().into_owned();
    let servers = vec![
        server("only answers", 5301, &bare, &["bare", &format!("{SERVER}:5301")])?,
        unbound(names, 5302)?,
        knot(names)?,
        dnsmasq(names, 5304)?,
        aardvark(names, 5305)?,
    ];
    Ok(servers)
}

fn unbound(names: &Names, port: u16) -> Result<Server> {
    let mut config = format!(
        "server:\n interface: {SERVER}\n port: {port}\n access-control: 0.0.0.0/0 allow\n do-daemonize: no\n username: ''\n \
         chroot: ''\n pidfile: ''\n use-syslog: no\n directory: '{FOLDER}'\n module-config: 'iterator'\n \
         local-zone: '{DOMAIN}.' static\n"
    );
    for (name, address) in names.ours() {
        writeln!(config, " local-data: '{name}. 5 IN A {address}'")?;
    }
    let (host, upstream) = (SERVER, KNOT);
    write!(config, "remote-control:\n control-enable: no\n")?;
    write!(config, "forward-zone:\n name: '{ELSEWHERE}.'\n forward-addr: {host}@{upstream}\n")?;
    let file = write_file("unbound.conf", &config)?;
    server("unbound", port, "unbound", &["-d", "-c", &file])
}

/// With one worker, as all others have: it costs less for each query than two on two cores.
fn knot(names: &Names) -> Result<Server> {
    let zone = |domain: &str, names: &mut dyn Iterator<Item = (String, String)>| -> Result<String> {
        let mut text = format!("$TTL 3600\n@ SOA ns.{domain}. a.{domain}. 1 3600 3600 3600 5\n@ NS ns.{domain}.\n");
        for (name, address) in names {
            writeln!(text, "{name}. 5 A {address}")?;
        }
        write_file(&format!("{domain}.zone"), &text)
    };
    let elsewhere = names.elsewhere().map(|(name, address)| (name, format!("{address}")));
    let ours = names.ours().map(|(name, address)| (name, format!("{address}")));
    let files = [(DOMAIN, zone(DOMAIN, &mut { ours })?), (ELSEWHERE, zone(ELSEWHERE, &mut { elsewhere })?)];
    let mut config = format!(
        "server:\n  listen: {SERVER}@{KNOT}\n  udp-workers: 1\n  rundir: {FOLDER}\ndatabase:\n  storage: {FOLDER}/knot\nzone:\n"
    );
    for (domain, file) in files {
        write!(config, "  - domain: {domain}.\n    file: {file}\n    journal-content: none\n    zonefile-sync: -1\n")?;
    }
    let file = write_file("knot.conf", &config)?;
    server("knot", KNOT, "knotd", &["-c", &file])
}

fn dnsmasq(names: &Names, port: u16) -> Result<Server> {
    let mut hosts = String::new();
    for (name, address) in names.ours() {
        writeln!(hosts, "{address} {name}")?;
    }
    let hosts = format!("--addn-hosts={}", write_file("hosts", &hosts)?);
    let (port_option, listen) = (format!("--port={port}"), format!("--listen-address={SERVER}"));
    let domain = format!("--local=/{DOMAIN}/");
    let options = ["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"];
    let rest = ["--user=root", "--pid-file", "--local-ttl=5", &hosts, &port_option, &listen, &domain];
    server("dnsmasq", port, "dnsmasq", &[&options[..], &rest[..]].concat())
}

fn aardvark(names: &Names, port: u16) -> Result<Server> {
    let folder = Path::new(FOLDER).join("aardvark");
    fs::create_dir_all(&folder)?;
    let mut network = format!("{SERVER}\n");
    for (name, address) in names.ours() {
        // Its id, its addresses of IPv4, none of IPv6, its name.
        writeln!(network, "{name} {address}  {name}")?;
    }
    fs::write(folder.join("bench"), network)?;
    // It does not start where nobody takes its log.
    let log = UnixDatagram::bind("/dev/log").context("bind /dev/log, which the bench's /dev has not")?;
    std::thread::spawn(move || while log.recv(&mut [0; 1_024]).is_ok() {});
    let (config, port_text) = (folder.to_string_lossy().into_owned(), port.to_string());
    let options = ["--config", &config, "--port", &port_text, "run"];
    let started = server("aardvark", port, "/usr/lib/podman/aardvark-dns", &options)?;
    // It leaves a child behind that serves.
    let pid = || fs::read_to_string(folder.join("aardvark.pid")).ok()?.trim().parse().ok();
    let until = Instant::now() + START;
    let pid = loop {
        match pid() {
            Some(pid) => break pid,
            None if Instant::now() > until => bail!("aardvark-dns does not say its process"),
            None => std::thread::yield_now(),
        }
    };
    Ok(Server { process: started.process.succeeded_by(pid), ..started })
}

fn server(name: &'static str, port: u16, program: &str, arguments: &[&str]) -> Result<Server> {
    let mut command = Command::new(program);
    let log = File::create(Path::new(FOLDER).join(name).with_extension("log"))?;
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let child = command.spawn().with_context(|| format!("start {program}"))?;
    Ok(Server { name, port, process: Process::new(child) })
}

fn write_file(name: &str, text: &str) -> Result<String> {
    let path = Path::new(FOLDER).join(name);
    fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}
