//! What each command does.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::CommandFactory;
use netd_kernel::Kernel;
use netd_model::name::{HostName, NetworkName};
use netd_store::{NetworkSettings, Store};
use serde::Serialize;

use crate::{
    ask, check,
    cli::{Cli, Command, DnsCommand, HostCommand, NetworkCommand, NewNetwork, Subject},
    cluster::{
        hosts,
        networks::{self, Made},
    },
    dhcp,
    logs::Logs,
    look::Look,
    run,
    settings::{Settings, network::Network, written},
    show::{self, Recorded, Row},
};

/// How long `netd pause` waits for a verb that changes the network just now.
const PATIENCE: Duration = Duration::from_secs(5);

/// Threads that answer questions; the loop and repair have their own.
const WORKERS: usize = 2;

/// Does what the command line says.
pub(crate) fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run { config } => serve(config.file)?,
        Command::Dhcp { config } => keep_leases(config.file.as_deref())?,
        Command::Show { subject, network, json, config } => {
            print(&shown(&Wish { subject, network, json }, &settings(config.file.as_deref())?)?)?;
        }
        Command::Dns { command: DnsCommand::Query { name, kind, from, json, config } } => {
            let inquiry = ask::Inquiry { name: &name, kind: &kind, from: &from };
            print(&ask::query(&settings(config.file.as_deref())?.run_dir, &inquiry, json)?)?;
        }
        Command::Check { config } => {
            let findings = check::findings(&settings(config.file.as_deref())?);
            print(&check::report(&findings))?;
            return Ok(if check::is_well(&findings) { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Pause { network, config } => pause(&settings(config.file.as_deref())?, &network, true)?,
        Command::Resume { network, config } => pause(&settings(config.file.as_deref())?, &network, false)?,
        Command::Network { command } => of_networks(command)?,
        Command::Host { command: HostCommand::Forget { host, config } } => {
            forget(&settings(config.file.as_deref())?, &host)?;
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "netd", &mut script);
            print(&String::from_utf8(script)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn settings(file: Option<&Path>) -> anyhow::Result<Settings> {
    Ok(Settings::read(file, std::env::var_os("NETD_RUN_DIR"))?)
}

fn serve(file: Option<PathBuf>) -> anyhow::Result<()> {
    let settings = settings(file.as_deref())?;
    let logs = Logs::start(&settings.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(run::run(file, settings, logs))
}

/// One thread: it enters namespaces, and none must be elsewhere by surprise.
fn keep_leases(file: Option<&Path>) -> anyhow::Result<()> {
    let settings = settings(file)?;
    let _logs = Logs::start(&settings.log);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(dhcp::run(settings))
}

/// What `netd show` was told.
struct Wish {
    subject: Subject,
    network: Option<NetworkName>,
    json: bool,
}

fn shown(wish: &Wish, settings: &Settings) -> anyhow::Result<String> {
    let store = Store::open(&settings.run_dir);
    let recorded = Recorded::read(store.clone())?;
    match wish.subject {
        Subject::Networks => wish.text(recorded.networks()?),
        Subject::Attachments => wish.text(recorded.attachments()),
        Subject::Names => wish.text(recorded.names()),
        Subject::Peers => {
            let known = recorded.peers()?;
            let errors = known.errors.iter().filter(|_| !wish.json).map(|error| format!("error: {error}\n"));
            Ok(wish.text(show::peers(&known))? + &errors.collect::<String>())
        }
        Subject::Plan if wish.network.is_some() => {
            anyhow::bail!("a plan is of the whole host: leave --network out")
        }
        Subject::Plan => {
            let mut kernel = Kernel::open(None);
            let plan = Look::of_host(&store, &recorded.snapshot, &recorded.boot, &mut kernel)?.plan(&mut kernel)?;
            if wish.json { Ok(serde_json::to_string_pretty(&plan)? + "\n") } else { Ok(plan.to_string()) }
        }
    }
}

impl Wish {
    fn text<R: Row + Serialize>(&self, rows: Vec<R>) -> anyhow::Result<String> {
        text(self.json, &show::of_network(rows, self.network.as_ref()))
    }
}

/// Networks of all hosts.
fn of_networks(command: NetworkCommand) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        NetworkCommand::Create { network, config } => {
            let settings = settings(config.file.as_deref())?;
            let is_vni_chosen = network.vni.is_some();
            let network = Network::resolve(network.into(), &settings.cluster.name).map_err(anyhow::Error::msg)?;
            let made = runtime.block_on(networks::create(&settings, network, is_vni_chosen));
            let Made { network, hosts } = made.map_err(anyhow::Error::msg)?;
            let text = format!("network {} with vni {} on every host\n", network.overlay.name, network.overlay.vni);
            print(&(text + &short_of_room(&network, hosts)))
        }
        NetworkCommand::List { json, config } => {
            let settings = settings(config.file.as_deref())?;
            let view = runtime.block_on(networks::list(&settings)).map_err(anyhow::Error::msg)?;
            print(&text(json, &show::networks_of_all(&view))?)
        }
        NetworkCommand::Show { network, config } => {
            let settings = settings(config.file.as_deref())?;
            let view = runtime.block_on(networks::list(&settings)).map_err(anyhow::Error::msg)?;
            let found = view.networks.get(&network).map(show::network_of_all);
            let found = found.with_context(|| format!("there is no network {network}, see `netd network list`"))?;
            print(&(serde_json::to_string_pretty(&found)? + "\n"))
        }
        NetworkCommand::Delete { network, force, config } => {
            let settings = settings(config.file.as_deref())?;
            runtime.block_on(networks::delete(&settings, &network, force)).map_err(anyhow::Error::msg)?;
            let kept = "a host keeps it until its last container in it is gone";
            print(&format!("network {network} is deleted for every host; {kept}\n"))
        }
    }
}

/// A warning where a new network has not a part for every host.
fn short_of_room(network: &Network, hosts: usize) -> String {
    let room = network.room();
    if room >= hosts {
        return String::new();
    }
    format!("warning: it has room for {room} hosts and the cluster has {hosts}: a longer --host-prefix makes more\n")
}

/// Takes a host out of the cluster.
fn forget(settings: &Settings, host: &HostName) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let freed = runtime.block_on(hosts::forget(settings, host)).map_err(anyhow::Error::msg)?;
    let freed = freed.iter().map(|(network, part)| format!("{part} of network {network} is free\n"));
    print(&(format!("host {host} is forgotten\n") + &freed.collect::<String>()))
}

impl From<NewNetwork> for written::Network {
    fn from(new: NewNetwork) -> Self {
        Self {
            name: new.name,
            _driver: written::Driver::Overlay,
            mode: new.mode,
            subnet: new.subnet,
            host_prefix: new.host_prefix,
            vni: new.vni,
            port: new.port,
            masquerade: Some(!new.no_masquerade),
            domain: new.domain,
            internal: Some(new.internal),
            mtu: new.mtu,
            direct: Some(new.direct),
            prefer_local: Some(new.prefer_local),
        }
    }
}

fn text<R: Row + Serialize>(json: bool, rows: &[R]) -> anyhow::Result<String> {
    if json { Ok(serde_json::to_string_pretty(rows)? + "\n") } else { Ok(show::table(rows)) }
}

fn pause(settings: &Settings, network: &NetworkName, paused: bool) -> anyhow::Result<()> {
    let store = Store::open(&settings.run_dir);
    let is_known = !store.list_network(network).is_empty() || store.host_leases()?.contains(network);
    let is_paused = store.network(network)?.paused;
    if paused && !is_paused && !is_known {
        anyhow::bail!("network {network} has no attachments and is no overlay network here, see `netd show networks`");
    }
    if !paused && !is_paused {
        anyhow::bail!("network {network} is not paused, see `netd show networks`");
    }
    let _lock = store.lock_shared(Instant::now() + PATIENCE)?;
    let old = store.network(network)?;
    store.write_network(network, &NetworkSettings { paused, ..old })?;
    Ok(())
}

/// The one place that writes to standard output.
fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // The reader has seen enough, as in `netd show names | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write to standard output"),
    }
}
