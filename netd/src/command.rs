//! What each command does.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::CommandFactory;
use netd_kernel::Kernel;
use netd_model::name::{HostName, NetworkName};
use netd_store::{NetworkSettings, Reader, Snapshot, Store, boot_id};
use serde::Serialize;

use crate::{
    check,
    cli::{Cli, Command, HostCommand, NetworkCommand, NewNetwork, Subject},
    cluster::{
        View, hosts,
        networks::{self, Made},
    },
    dhcp,
    logs::Logs,
    look::Look,
    rounds::Faults,
    run,
    settings::{Settings, network::Network, written},
    show::{self, Row},
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
        Command::Show { subject, json, config } => print(&shown(subject, json, &settings(config.file.as_deref())?)?)?,
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

fn shown(subject: Subject, json: bool, settings: &Settings) -> anyhow::Result<String> {
    let store = Store::open(&settings.run_dir);
    let boot = boot_id()?;
    let peers =
        store.known_peers().map(|known| known.unwrap_or_else(|| show::known_peers(&View::default(), &Faults::new())));
    let leases = store.host_leases();
    let snapshot = Reader::new(store.clone()).read();
    let attachments = snapshot.attachments.values().map(Arc::as_ref);
    match subject {
        Subject::Networks => {
            let lease = |network: NetworkName| (network.clone(), store.host_lease(&network).ok().flatten());
            let leases = leases?.into_iter().map(lease).collect();
            text(json, &show::networks(attachments, &leases, &paused(&snapshot)))
        }
        Subject::Attachments => text(json, &show::attachments(attachments)),
        Subject::Names => text(json, &show::names(attachments, &boot)),
        Subject::Peers => {
            let known = peers?;
            let errors = known.errors.iter().filter(|_| !json).map(|error| format!("error: {error}\n"));
            Ok(text(json, &show::peers(&known))? + &errors.collect::<String>())
        }
        Subject::Plan => {
            let mut kernel = Kernel::open(None);
            let plan = Look::of_host(&store, &snapshot, &boot, &mut kernel)?.plan(&mut kernel)?;
            if json { Ok(serde_json::to_string_pretty(&plan)? + "\n") } else { Ok(plan.to_string()) }
        }
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

fn paused(snapshot: &Snapshot) -> BTreeSet<NetworkName> {
    let paused = snapshot.networks.iter().filter(|(_, settings)| settings.paused);
    paused.map(|(network, _)| network.clone()).collect()
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
