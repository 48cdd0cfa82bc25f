//! Hosts, their networks and their containers: network namespaces and folders, all below `/run`, which is the
//! bench's own.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use crate::figures::Samples;
use crate::plugin::{self, Verb};

/// A network namespace with one set of plugins.
pub(crate) struct Host {
    /// `reference` or `netd`.
    pub(crate) name: &'static str,
    plugins: PathBuf,
    netns: PathBuf,
}

/// A network namespace to attach.
#[derive(Clone)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) netns: PathBuf,
}

/// A network of both hosts, and the configuration that makes it.
#[derive(Clone)]
pub(crate) struct Network {
    name: String,
    subnet: String,
}

/// A container in a network, as its ADD left it.
pub(crate) struct Attachment {
    pub(crate) container: Container,
    /// What a DEL or the next plugin of the chain gets on standard input.
    pub(crate) config: Value,
}

impl Host {
    /// Makes the host's namespace, with an uplink as every host has one.
    pub(crate) fn new(name: &'static str, plugins: &Path) -> Result<Self> {
        ip(&["netns", "add", name])?;
        let far_end = format!("{name}-far");
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        ip(&["-n", name, "link", "add", "uplink", "type", "veth", "peer", "name", &far_end])?;
        ip(&["-n", name, "address", "add", "192.0.2.1/24", "dev", "uplink"])?;
        ip(&["-n", name, "link", "set", &far_end, "up"])?;
        ip(&["-n", name, "link", "set", "uplink", "up"])?;
        ip(&["-n", name, "route", "add", "default", "via", "192.0.2.2"])?;
        let host = Self { name, plugins: plugins.to_owned(), netns: netns(name) };
        std::fs::create_dir_all(host.leases())?;
        Ok(host)
    }

    /// Makes `count` containers whose names begin with `prefix`.
    pub(crate) fn containers(&self, prefix: &str, count: usize) -> Result<Vec<Container>> {
        let new = |index| {
            let id = format!("{}-{prefix}-{index}", self.name);
            ip(&["netns", "add", &id])?;
            Ok(Container { netns: netns(&id), id })
        };
        (0..count).map(new).collect()
    }

    /// The plugin of that name.
    pub(crate) fn plugin(&self, name: &str) -> PathBuf {
        self.plugins.join(name)
    }

    /// The folder that holds host-local's folder of each network.
    pub(crate) fn leases(&self) -> PathBuf {
        Path::new("/run/bench").join(self.name).join("leases")
    }

    /// netd's run directory; the reference plugins have none.
    pub(crate) fn run_dir(&self) -> PathBuf {
        Path::new("/run/bench").join(self.name).join("run")
    }

    /// Moves the calling thread, and what it starts, into this host for good.
    pub(crate) fn enter(&self) -> Result<()> {
        let namespace = File::open(&self.netns)?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .with_context(|| format!("enter host {}", self.name))
    }

    /// Attaches all containers to `network`, at most `workers` at once.
    pub(crate) fn add(
        &self,
        network: &Network,
        containers: &[Container],
        workers: usize,
    ) -> Result<(Samples, Vec<Attachment>)> {
        let config = network.config(self);
        let calls: Vec<_> = containers.iter().map(|container| (container, &config)).collect();
        let (samples, results) = self.run("bridge", Verb::Add, &calls, workers)?;
        let attachment = |(container, result): (&Container, Value)| {
            let mut config = config.clone();
            config["prevResult"] = result;
            Attachment { container: container.clone(), config }
        };
        Ok((samples, containers.iter().zip(results).map(attachment).collect()))
    }

    /// Detaches them again.
    pub(crate) fn del(&self, attachments: &[Attachment], workers: usize) -> Result<Samples> {
        let calls: Vec<_> = attachments.iter().map(|a| (&a.container, &a.config)).collect();
        Ok(self.run("bridge", Verb::Del, &calls, workers)?.0)
    }

    /// Runs one plugin once per call, at most `workers` at once; results are in the order of the calls.
    pub(crate) fn run(
        &self,
        plugin: &str,
        verb: Verb,
        calls: &[(&Container, &Value)],
        workers: usize,
    ) -> Result<(Samples, Vec<Value>)> {
        let plugin = self.plugin(plugin);
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(calls.len()));
        let start = Barrier::new(workers + 1);
        let worker = || -> Result<()> {
            let entered = self.enter();
            start.wait();
            entered?;
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((container, config)) = calls.get(index) else { return Ok(()) };
                let call = plugin::call(&plugin, verb, container, config)?;
                done.lock().expect("invariant: no worker panics").push((index, call));
            }
        };
        let wall = thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
            start.wait();
            let started = Instant::now();
            for worker in workers {
                worker.join().expect("invariant: no worker panics")?;
            }
            anyhow::Ok(started.elapsed())
        })?;
        let mut done = done.into_inner().expect("invariant: no worker panics");
        done.sort_by_key(|(index, _)| *index);
        let (took, results) = done.into_iter().map(|(_, done)| (done.took, done.result)).unzip();
        Ok((Samples::new(took, wall), results))
    }
}

impl Network {
    pub(crate) fn new(name: &str, subnet: &str) -> Self {
        Self { name: name.to_owned(), subnet: subnet.to_owned() }
    }

    /// Bridge and host-local with ipMasq: what most hosts run.
    pub(crate) fn config(&self, host: &Host) -> Value {
        json!({
            "cniVersion": "1.0.0", "name": self.name, "type": "bridge", "bridge": self.name,
            "isDefaultGateway": true, "ipMasq": true, "runDir": host.run_dir(),
            "ipam": {"type": "host-local", "subnet": self.subnet, "dataDir": host.leases()},
        })
    }

    /// host-local's folder of this network.
    pub(crate) fn leases(&self, host: &Host) -> PathBuf {
        host.leases().join(&self.name)
    }

    /// The address `offset` places after the subnet's first.
    pub(crate) fn address(&self, offset: u32) -> Result<Ipv4Addr> {
        let (first, _) = self.subnet.split_once('/').context("a subnet has a prefix")?;
        Ok(Ipv4Addr::from_bits(first.parse::<Ipv4Addr>()?.to_bits() + offset))
    }
}

fn netns(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("start ip")?;
    ensure!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
