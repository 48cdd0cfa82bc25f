//! What is recorded for netd and what the container is told: pure functions of configuration and previous result.

use std::net::IpAddr;

use netd_model::{
    IpNetwork,
    attachment::{Listen, Names},
    name::{ContainerId, HostName, ServedName},
};

use super::config::Config;
use crate::cni::{CniArgs, CniResult, Error, Target, result::Ip};

/// The longest label of a name (RFC 1035 2.3.4).
const MAX_LABEL: usize = 63;

/// As many letters of a long id as runtimes show.
const SHORT_ID: usize = 12;

/// What netd needs to serve the container's names.
///
/// # Errors
/// The container has no address, or none of its gateways is an address of the host.
pub(super) fn record(config: &Config, target: &Target, ips: &[&Ip], listen: Vec<Listen>) -> Result<Names, Error> {
    let network = &target.id.network;
    if ips.is_empty() {
        let msg = format!("network {network} gives {} no address, so no name can stand for it", target.id.ifname);
        return Err(Error::config(msg));
    }
    if listen.is_empty() {
        let msg = format!("network {network} has no gateway address on the host, where its names could be served");
        return Err(Error::config(msg).with_details("set \"isGateway\" or \"isDefaultGateway\" in the bridge plugin"));
    }
    let mut names = Names {
        domain: config.domain.clone(),
        names: names(config, &target.id.container, &target.args),
        addresses: ips.iter().map(|ip| ip.address.ip()).collect(),
        ports: config.ports.clone(),
        texts: config.texts.clone(),
        probe: config.probe.clone(),
        records: config.records.clone(),
        listen,
        subnets: ips.iter().filter_map(|ip| subnet(ip.address)).collect(),
        upstreams: config.upstreams.clone(),
        own_upstreams: config.own_upstreams.clone(),
        split_domains: config.split_domains.clone(),
        internal: config.internal,
        forward_single_label: config.forward_single_label,
        ttl: config.ttl,
    };
    names.subnets.sort_unstable();
    names.subnets.dedup();
    Ok(names)
}

/// The result with our servers and domain before those that are there, and what the runtime wants after all of them.
pub(super) fn tell(mut result: CniResult, names: &Names, config: &Config) -> CniResult {
    let dns = &mut result.dns;
    // A server on the link alone cannot be written into resolv.conf without the name of the link.
    let servers = names.listen.iter().map(|listen| listen.address).filter(|address| !is_link_local(*address));
    dns.nameservers = before(servers.map(|address| address.to_string()), &dns.nameservers);
    dns.search = before([names.domain.to_string()], &before(dns.search.iter().cloned(), &config.searches));
    dns.options = before(dns.options.iter().cloned(), &config.options);
    if dns.domain.is_empty() {
        dns.domain = names.domain.to_string();
    }
    result
}

/// The names of a container, those that a person chose first.
fn names(config: &Config, container: &ContainerId, args: &CniArgs) -> Vec<ServedName> {
    let chosen = config.aliases.iter().chain(&config.labels).cloned();
    let given = [pod(args), Some(shown(container).to_owned())].into_iter().flatten();
    // Nobody chose these as names: one that cannot be looked up is no mistake.
    let given = given
        .filter_map(|name| HostName::written(&name).ok())
        .filter(|name| HostName::written(&format!("{name}.{}", config.domain)).is_ok())
        .map(ServedName::from);
    let mut names: Vec<ServedName> = Vec::new();
    for name in chosen.chain(given).chain(config.names.iter().cloned()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// `<pod>.<namespace>` in Kubernetes; never the bare pod, which other namespaces have too.
fn pod(args: &CniArgs) -> Option<String> {
    let said = |key| args.find(key).filter(|value| !value.is_empty());
    Some(format!("{}.{}", said("K8S_POD_NAME")?, said("K8S_POD_NAMESPACE")?))
}

/// The id as people see it: a hash is longer than a label may be, and runtimes show its start.
fn shown(container: &ContainerId) -> &str {
    let id = container.as_str();
    let is_hash = id.len() > MAX_LABEL && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { id.get(..SHORT_ID).unwrap_or(id) } else { id }
}

fn subnet(address: IpNetwork) -> Option<IpNetwork> {
    IpNetwork::new(address.network(), address.prefix()).ok()
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn before(ours: impl IntoIterator<Item = String>, theirs: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for text in ours.into_iter().chain(theirs.iter().cloned()) {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}
