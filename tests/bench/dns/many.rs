//! netd with a hundred thousand names: how soon they are there, what they hold, and what the change of one costs.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::figures::median;
use crate::message;
use crate::place::{CLIENT, Place, SERVER, ip};
use crate::rounds::NETWORK;
use crate::store::{Named, Store};

const ATTACHMENTS: u32 = 10_000;
const NAMES_OF_ONE: u32 = 10;
/// How many networks the attachments are in: few, and many.
pub(crate) const NETWORKS: [u32; 2] = [10, 1_000];
const CHANGES: u32 = 21;
/// Few and many in turn, for what else the machine does comes and goes.
const ROUNDS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// What was measured with so many networks: medians of the rounds.
pub(crate) struct Many {
    pub(crate) networks: u32,
    /// Seconds from the start of the process to the first answer, with the documents in memory.
    pub(crate) load: f64,
    /// Megabytes resident, less those of a netd that serves one name.
    pub(crate) memory: f64,
    /// From the document's rename to the answer, in milliseconds: the median of the changes.
    pub(crate) change: f64,
    /// CPU of netd for one change, in milliseconds: the median too.
    pub(crate) change_cpu: f64,
}

pub(crate) fn measure(place: &Place, netd: &Path, progress: &dyn Fn(&str)) -> Result<Vec<Many>> {
    // Whatever the gateway of a network is, it is one of this host's addresses.
    ip(&["route", "add", "local", "10.0.0.0/8", "dev", "lo"])?;
    // A socket for each network and transport, and some more.
    let limit = rustix::process::Rlimit { current: Some(16_384), maximum: Some(16_384) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?;
    let idle = idle(place, netd)?;
    let mut rounds: [Vec<Many>; NETWORKS.len()] = Default::default();
    for round in 1..=ROUNDS {
        progress(&format!("100,000 names, round {round} of {ROUNDS}"));
        for (networks, measured) in NETWORKS.into_iter().zip(&mut rounds) {
            measured.push(one(place, netd, networks, idle)?);
        }
    }
    Ok(NETWORKS.into_iter().zip(&rounds).map(|(networks, rounds)| middle(networks, rounds)).collect())
}

fn middle(networks: u32, rounds: &[Many]) -> Many {
    let of = |figure: fn(&Many) -> f64| median(rounds.iter().map(figure));
    Many {
        networks,
        load: of(|many| many.load),
        memory: of(|many| many.memory),
        change: of(|many| many.change),
        change_cpu: of(|many| many.change_cpu),
    }
}

/// Bytes of a netd with one name.
fn idle(place: &Place, netd: &Path) -> Result<u64> {
    let store = Store::new("idle")?;
    write_probe(&store, CLIENT)?;
    let process = store.start(netd, None)?;
    message::until(&place.client_socket((SERVER, 53).into())?, &probe(), CLIENT, PATIENCE)?;
    process.resident()
}

fn one(place: &Place, netd: &Path, networks: u32, idle: u64) -> Result<Many> {
    let store = Store::new(&format!("many-{networks}"))?;
    for index in 0..ATTACHMENTS - 1 {
        write(&store, index, networks)?;
    }
    write_probe(&store, CLIENT)?;
    let socket = place.client_socket((SERVER, 53).into())?;
    let started = Instant::now();
    let process = store.start(netd, None)?;
    message::until(&socket, &probe(), CLIENT, PATIENCE)?;
    let load = started.elapsed().as_secs_f64();
    // Whatever came at its start has been read then.
    store.poke()?;
    let memory = mega(process.resident()?.saturating_sub(idle));
    let (mut changes, mut spent) = (Vec::new(), vec![process.cpu()?]);
    for change in 1..=CHANGES {
        let address = Ipv4Addr::from_bits(CLIENT.to_bits() + change);
        let started = Instant::now();
        write_probe(&store, address)?;
        store.poke()?;
        message::until(&socket, &probe(), address, PATIENCE)?;
        changes.push(started.elapsed().as_secs_f64() * 1e3);
        spent.push(process.cpu()?);
    }
    // Not the mean: the first have the end of the start beside them.
    let change_cpu = median(spent.windows(2).map(|pair| pair[1].saturating_sub(pair[0]).as_secs_f64() * 1e3));
    Ok(Many { networks, load, memory, change: median(changes.into_iter()), change_cpu })
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "sizes of some megabytes")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}

/// An attachment with ten names in one of the networks.
fn write(store: &Store, index: u32, networks: u32) -> Result<()> {
    let network = index % networks;
    let name = format!("net-{network}");
    let names: Vec<String> = (0..NAMES_OF_ONE).map(|name| format!("name-{index}-{name}")).collect();
    // A /16 for each of up to ten networks, else a /24; beside that of the probe.
    let (prefix, step) = if networks <= 10 { (16, 16) } else { (24, 8) };
    let subnet = (10 << 24) + (2 << 16) + (network << step);
    let (gateway, address) = (Ipv4Addr::from_bits(subnet + 1), Ipv4Addr::from_bits(subnet + 2 + index / networks));
    let container = format!("container-{index}");
    store.write(&Named { network: &name, gateway, prefix, container: &container, address, names: &names })
}

/// The attachment whose name changes; who asks is on its network.
fn write_probe(store: &Store, address: Ipv4Addr) -> Result<()> {
    let names = ["probe".to_owned()];
    store.write(&Named { network: NETWORK, gateway: SERVER, prefix: 16, container: "probe", address, names: &names })
}

fn probe() -> String {
    format!("probe.{NETWORK}.internal")
}
