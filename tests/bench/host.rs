//! Hosts, their networks and their containers: network namespaces and folders, all below `/run`, which is the
//! bench's own.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::figures::Samples;
use crate::network::Network;
use crate::plugin::{self, Verb};

/// A network namespace with one set of plugins.
pub(crate) struct Host {
    /// `reference`, `netd`, or what else is told apart.
    pub(crate) name: &'static str,
    plugins: PathBuf,
    netns: PathBuf,
}

/// A network namespace to attach.
#[derive(Clone)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) netns: PathBuf,
    /// Which of those it was made with.
    pub(crate) number: u16,
}

/// A container in a network, as its ADD left it.
pub(crate) struct Attachment {
    pub(crate) container: Container,
    /// What the plugins of the chain get on standard input in a DEL, in the order of ADD.
    pub(crate) chain: Vec<Value>,
}

/// What plugins are run for: a container, and what they get on standard input, in the order of ADD.
pub(crate) type Call<'a> = (&'a Container, Vec<Value>);

impl Attachment {
    /// What a plugin gets that comes after those of the chain.
    pub(crate) fn next(&self, plugin: &str) -> Value {
        let mut config = self.chain.last().cloned().unwrap_or_default();
        config["type"] = plugin.into();
        config
    }
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

    /// Another one with the same plugins.
    pub(crate) fn another(&self, name: &'static str) -> Result<Self> {
        Self::new(name, &self.plugins)
    }

    /// Makes `count` containers whose names begin with `prefix`.
    pub(crate) fn containers(&self, prefix: &str, count: u16) -> Result<Vec<Container>> {
        let new = |number| {
            let id = format!("{}-{prefix}-{number}", self.name);
            ip(&["netns", "add", &id])?;
            Ok(Container { netns: netns(&id), id, number })
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
        let call = |container| (container, network.chain(self, container));
        let calls: Vec<Call<'_>> = containers.iter().map(call).collect();
        let (samples, results) = self.run(Verb::Add, &calls, workers)?;
        let attachment = |((container, mut chain), result): (Call<'_>, Value)| {
            for config in &mut chain {
                config["prevResult"] = result.clone();
            }
            Attachment { container: container.clone(), chain }
        };
        Ok((samples, calls.into_iter().zip(results).map(attachment).collect()))
    }

    /// Detaches them again.
    pub(crate) fn del(&self, attachments: &[Attachment], workers: usize) -> Result<Samples> {
        let calls: Vec<Call<'_>> = attachments.iter().map(|one| (&one.container, one.chain.clone())).collect();
        Ok(self.run(Verb::Del, &calls, workers)?.0)
    }

    /// Runs the chain of each call once, at most `workers` at once; results are in the order of the calls.
    pub(crate) fn run(&self, verb: Verb, calls: &[Call<'_>], workers: usize) -> Result<(Samples, Vec<Value>)> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(calls.len()));
        let start = Barrier::new(workers + 1);
        let worker = || -> Result<()> {
            let entered = self.enter();
            start.wait();
            entered?;
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((container, chain)) = calls.get(index) else { return Ok(()) };
                let call = plugin::chain(&self.plugins, verb, container, chain)?;
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

fn netns(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("start ip")?;
    ensure!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
