//! Networks, and the chains of plugins that attach containers to them.

use std::iter;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::host::{Container, Host};

/// How many ports a container publishes in a network that has portmap.
const PORTS: u16 = 3;
/// The first of all of them.
const FIRST_PORT: u16 = 20_000;

/// A network of both hosts, and the plugins that make it.
#[derive(Clone)]
pub(crate) struct Network {
    name: String,
    subnet: String,
    /// Those after the bridge.
    chained: &'static [&'static str],
}

impl Network {
    /// Bridge and host-local with ipMasq: what most hosts run.
    pub(crate) fn new(name: &str, subnet: &str) -> Self {
        Self { name: name.to_owned(), subnet: subnet.to_owned(), chained: &[] }
    }

    /// The same with more plugins after the bridge.
    pub(crate) fn chained(self, chained: &'static [&'static str]) -> Self {
        Self { chained, ..self }
    }

    /// What the plugins of the chain get on standard input, in the order of ADD.
    pub(crate) fn chain(&self, host: &Host, container: &Container) -> Vec<Value> {
        let plugins = iter::once("bridge").chain(self.chained.iter().copied());
        plugins.map(|plugin| self.config(plugin, host, container)).collect()
    }

    /// What one plugin gets.
    pub(crate) fn config(&self, plugin: &str, host: &Host, container: &Container) -> Value {
        let mut config = match plugin {
            "bridge" | "host-local" => json!({
                "bridge": self.name, "isDefaultGateway": true, "ipMasq": true,
                "ipam": {"type": "host-local", "subnet": self.subnet, "dataDir": host.leases()},
            }),
            "portmap" => {
                let first = FIRST_PORT + container.number * PORTS;
                let mapping = |port| json!({"hostPort": first + port, "containerPort": 80 + port, "protocol": "tcp"});
                json!({"runtimeConfig": {"portMappings": (0..PORTS).map(mapping).collect::<Vec<_>>()}})
            }
            "tuning" => json!({"sysctl": {"net.core.somaxconn": "1024"}}),
            _ => json!({}),
        };
        config["cniVersion"] = "1.0.0".into();
        config["name"] = self.name.as_str().into();
        config["type"] = plugin.into();
        config["runDir"] = json!(host.run_dir());
        config
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
