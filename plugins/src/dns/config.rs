//! The configuration of the plugin: what is said for the whole network, and what for this container.

use std::collections::BTreeMap;

use netd_model::{
    attachment::{NamedPort, StaticRecord},
    health::Probe,
    name::{HostName, NetworkName, ServedName},
    overlay::Overlay,
    upstream::{Upstream, discord},
};
use serde::Deserialize;
use serde_json::Value;

mod ports;
mod probe;
mod records;

use crate::cni::{Error, Request};

/// How long an answer may be kept where nothing is said, in seconds: as little as `CoreDNS` gives.
const TTL: u32 = 5;

/// The longest time to live in seconds (RFC 2181 section 8).
const MAX_TTL: u32 = i32::MAX.unsigned_abs();

/// How many names, servers or ports one list may have.
const MAX_LIST: usize = 256;

/// The bytes of one string of a TXT record (RFC 1035 3.3).
const MAX_TEXT: usize = 255;

/// The capability that is a pod's annotations, as containerd names it.
pub(super) const ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";

/// What the plugin was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// The domain that the network's names stand in.
    pub domain: HostName,
    /// Servers for all other names; the host's where there are none.
    pub upstreams: Vec<Upstream>,
    /// Servers for all other names of this container alone, which the runtime gave it.
    pub own_upstreams: Vec<Upstream>,
    /// Domain -> servers for the names in it.
    pub split_domains: BTreeMap<HostName, Vec<Upstream>>,
    /// Whether no name is ever asked of another server.
    pub internal: bool,
    /// Whether unknown names of one label are asked of another server.
    pub forward_single_label: bool,
    /// How long an answer may be kept, in seconds.
    pub ttl: u32,
    /// Names that every container of the network has.
    pub names: Vec<ServedName>,
    /// Names that the runtime gave this container.
    pub aliases: Vec<ServedName>,
    /// Names of this container's labels.
    pub labels: Vec<ServedName>,
    /// Ports that are served under each name: those of the configuration, and those that are published.
    pub ports: Vec<NamedPort>,
    /// What is said about the container, of its labels.
    pub texts: Vec<String>,
    /// How netd asks the container whether it does its work.
    pub probe: Option<Probe>,
    /// Records that no container has.
    pub records: Vec<StaticRecord>,
    /// Domains that the runtime wants short names looked up in.
    pub searches: Vec<String>,
    /// Options of the resolver that the runtime wants.
    pub options: Vec<String>,
}

/// The keys as they are written.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Keys {
    domain: Option<String>,
    upstreams: Vec<String>,
    split_domains: BTreeMap<String, Vec<String>>,
    internal: bool,
    #[serde(alias = "forward_single_label")]
    forward_single_label: bool,
    names: Vec<String>,
    services: Vec<ports::Service>,
    records: Vec<records::Record>,
    txt_labels: Vec<String>,
    ttl: u32,
    runtime_config: RuntimeConfig,
    args: Args,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RuntimeConfig {
    /// A list, or Podman's map of lists by network.
    aliases: Value,
    port_mappings: Vec<ports::Mapping>,
    /// Annotations of the pod, as containerd names them; they are as good as labels.
    #[serde(rename = "io.kubernetes.cri.pod-annotations")]
    annotations: BTreeMap<String, String>,
    /// What the runtime wants to stand in resolv.conf.
    dns: RuntimeDns,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RuntimeDns {
    servers: Vec<String>,
    searches: Vec<String>,
    options: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Args {
    cni: CniArgs,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CniArgs {
    labels: Vec<Label>,
}

#[derive(Clone, Deserialize)]
struct Label {
    key: String,
    value: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            domain: None,
            upstreams: Vec::new(),
            split_domains: BTreeMap::new(),
            internal: false,
            forward_single_label: false,
            names: Vec::new(),
            services: Vec::new(),
            records: Vec::new(),
            txt_labels: Vec::new(),
            ttl: TTL,
            runtime_config: RuntimeConfig::default(),
            args: Args::default(),
        }
    }
}

impl Config {
    /// The configuration of a request; what it does not say of an overlay network, the network says.
    ///
    /// # Errors
    /// Names the key and the value that cannot be.
    pub(super) fn of(request: &Request, overlay: Option<&Overlay>) -> Result<Self, Error> {
        let mut keys: Keys = request.config()?;
        if let Some(overlay) = overlay {
            keys.domain = keys.domain.or_else(|| overlay.domain.as_ref().map(HostName::to_string));
            keys.internal |= overlay.internal;
        }
        Self::new(&keys, &request.network)
    }

    pub(super) fn new(keys: &Keys, network: &NetworkName) -> Result<Self, Error> {
        if keys.internal && !keys.upstreams.is_empty() {
            return Err(Error::config("keys \"internal\" and \"upstreams\": an internal network asks no other server"));
        }
        if keys.internal && !keys.split_domains.is_empty() {
            let msg = "keys \"internal\" and \"splitDomains\": an internal network asks no other server";
            return Err(Error::config(msg));
        }
        if keys.ttl > MAX_TTL {
            return Err(Error::config(format!("key \"ttl\": {} is longer than {MAX_TTL} seconds", keys.ttl)));
        }
        let domain = domain(keys.domain.as_deref(), network)?;
        bounded("txtLabels", &keys.txt_labels)?;
        bounded("args.cni.labels", &keys.args.cni.labels)?;
        let annotations = keys.runtime_config.annotations.iter();
        let annotations = annotations.map(|(key, value)| Label { key: key.clone(), value: value.clone() });
        let said: Vec<Label> = keys.args.cni.labels.iter().cloned().chain(annotations).collect();
        Ok(Self {
            ports: ports::ports(&keys.services, &keys.runtime_config.port_mappings)?,
            texts: texts(&keys.txt_labels, &said)?,
            probe: probe::probe(&said)?,
            records: records::records(&keys.records, &domain)?,
            upstreams: upstreams("upstreams", &keys.upstreams)?,
            own_upstreams: upstreams("runtimeConfig.dns.servers", &keys.runtime_config.dns.servers)?,
            split_domains: split_domains(&keys.split_domains)?,
            internal: keys.internal,
            forward_single_label: keys.forward_single_label,
            ttl: keys.ttl,
            names: names("names", &keys.names, &domain)?,
            aliases: aliases(&keys.runtime_config.aliases, network, &domain)?,
            labels: labelled(keys, &domain)?,
            searches: keys.runtime_config.dns.searches.clone(),
            options: keys.runtime_config.dns.options.clone(),
            domain,
        })
    }
}

fn domain(text: Option<&str>, network: &NetworkName) -> Result<HostName, Error> {
    match text {
        Some(text) => HostName::written(text).map_err(|why| Error::config(format!("key \"domain\": {why}"))),
        None => HostName::written(&format!("{network}.internal")).map_err(|why| {
            Error::config(format!("the name of network {network} makes no domain, set \"domain\": {why}"))
        }),
    }
}

fn upstreams(key: &str, texts: &[String]) -> Result<Vec<Upstream>, Error> {
    bounded(key, texts)?;
    let upstream = |text: &String| text.parse().map_err(|why| Error::config(format!("key \"{key}\": {why}")));
    let upstreams: Vec<Upstream> = texts.iter().map(upstream).collect::<Result<_, _>>()?;
    match discord(&upstreams) {
        None => Ok(upstreams),
        Some(rule) => Err(Error::config(format!("key \"{key}\": {rule}"))),
    }
}

fn split_domains(texts: &BTreeMap<String, Vec<String>>) -> Result<BTreeMap<HostName, Vec<Upstream>>, Error> {
    let told = |why: String| Error::config(format!("key \"splitDomains\": {why}"));
    if texts.len() > MAX_LIST {
        return Err(told(format!("{} domains are more than {MAX_LIST}", texts.len())));
    }
    let mut domains = BTreeMap::new();
    for (text, servers) in texts {
        let domain = HostName::written(text).map_err(|why| told(why.to_string()))?;
        if domains.insert(domain, upstreams(&format!("splitDomains.{text}"), servers)?).is_some() {
            return Err(told(format!("{text:?} is there twice")));
        }
    }
    Ok(domains)
}

/// Names that somebody gave explicitly: one that cannot be looked up is a mistake to be told, not to be passed over.
fn names(key: &str, texts: &[String], domain: &HostName) -> Result<Vec<ServedName>, Error> {
    bounded(key, texts)?;
    let name = |text: &String| {
        let told = |why| Error::config(format!("key \"{key}\": {why}"));
        let name = ServedName::written(text).map_err(told)?;
        ServedName::written(&format!("{name}.{domain}")).map_err(told)?;
        Ok(name)
    };
    texts.iter().map(name).collect()
}

/// The names that labels give, and annotations.
fn labelled(keys: &Keys, domain: &HostName) -> Result<Vec<ServedName>, Error> {
    const LABEL: &str = "netd.name";
    let labels = keys.args.cni.labels.iter().enumerate().filter(|(_, label)| label.key == LABEL);
    let labels = labels.map(|(index, label)| (format!("args.cni.labels[{index}].value"), &label.value));
    let annotations = keys.runtime_config.annotations.get(LABEL).into_iter();
    let annotations = annotations.map(|value| (format!("runtimeConfig.{ANNOTATIONS}.{LABEL}"), value));
    let named = labels.chain(annotations).map(|(key, text)| names(&key, std::slice::from_ref(text), domain));
    Ok(named.collect::<Result<Vec<_>, _>>()?.concat())
}

/// The labels that the configuration selects, as TXT records have attributes: `<key>=<value>` (RFC 1464 2).
fn texts(selected: &[String], labels: &[Label]) -> Result<Vec<String>, Error> {
    let said = labels.iter().filter(|label| selected.contains(&label.key));
    let text = |label: &Label| {
        let text = format!("{}={}", label.key, label.value);
        if text.len() <= MAX_TEXT {
            return Ok(text);
        }
        let shown: String = label.key.chars().take(64).collect();
        let why =
            format!("label {shown:?} and its value are longer than {MAX_TEXT} bytes, and \"txtLabels\" selects it");
        Err(Error::config(format!("key \"args.cni.labels\": {why}")))
    };
    said.map(text).collect()
}

/// A list, or Podman's map of lists by network.
fn aliases(value: &Value, network: &NetworkName, domain: &HostName) -> Result<Vec<ServedName>, Error> {
    let key = "runtimeConfig.aliases";
    let (key, list) = match value {
        Value::Object(by_network) => {
            (format!("{key}.{network}"), by_network.get(network.as_str()).unwrap_or(&Value::Null))
        }
        list => (key.to_owned(), list),
    };
    let told = |value: &Value| {
        let shown: String = value.to_string().chars().take(64).collect();
        Error::config(format!("key \"{key}\": {shown} is no list of names"))
    };
    let texts: Vec<String> = match list {
        Value::Null => Vec::new(),
        Value::Array(list) => {
            let text = |alias: &Value| alias.as_str().map(str::to_owned).ok_or_else(|| told(alias));
            list.iter().map(text).collect::<Result<_, _>>()?
        }
        other => return Err(told(other)),
    };
    names(&key, &texts, domain)
}

fn bounded<T>(key: &str, list: &[T]) -> Result<(), Error> {
    if list.len() <= MAX_LIST {
        return Ok(());
    }
    Err(Error::config(format!("key \"{key}\": a list of {} has more than {MAX_LIST}", list.len())))
}
