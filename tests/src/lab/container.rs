//! A container of a host: namespaces that plugins connect.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::attachment::Attachment;
use super::cni::Call;
use super::holder::Kind;
use super::host::Host;
use super::node::Node;
use crate::Refusal;

/// A container; clones are the same container.
#[derive(Clone, Debug)]
pub struct Container(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    host: Host,
    node: Node,
    attachments: Mutex<Vec<Arc<Attachment>>>,
}

impl Deref for Container {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.0.node
    }
}

impl Container {
    pub(crate) fn new(host: &Host, name: &str) -> Self {
        let node = Node::new(Kind::Container, name, host.lab_folder().join(format!("{}.{name}", host.name())));
        Self(Arc::new(Inner { host: host.clone(), node, attachments: Mutex::default() }))
    }

    /// The host it is on.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// A call of one plugin for this container: id, namespace and `eth0` are set.
    pub fn call(&self, plugin: &str, command: &str) -> Call {
        let netns = self.netns();
        self.host()
            .call(plugin, command)
            .env("CNI_CONTAINERID", self.name())
            .env("CNI_NETNS", netns.to_str().unwrap())
            .env("CNI_IFNAME", "eth0")
    }

    /// An attachment of `ifname` to the network of `config`, a list or a single configuration; nothing runs yet.
    pub fn attachment(&self, config: &Value, ifname: &str) -> Attachment {
        Attachment::new(self, config, ifname)
    }

    /// ADD, as `eth0`, which must succeed; its resolv.conf is written from the result, as Podman does.
    #[track_caller]
    pub fn add(&self, config: &Value) -> Arc<Attachment> {
        let attachment = self.keep(self.attachment(config, "eth0"));
        let result = attachment.add().unwrap_or_else(|refusal| panic!("ADD of {} failed: {refusal:#?}", self.name()));
        self.write_resolv_conf(&resolv_conf(&result["dns"]));
        attachment
    }

    /// Lets the lab's end detach it, if the test does not.
    pub fn keep(&self, attachment: Attachment) -> Arc<Attachment> {
        let attachment = Arc::new(attachment);
        self.0.attachments.lock().unwrap().push(attachment.clone());
        attachment
    }

    /// The first address of its interface `ifname`, without the prefix.
    #[track_caller]
    pub fn address(&self, ifname: &str) -> String {
        let attachments = self.0.attachments.lock().unwrap();
        let named = attachments.iter().rev().find(|attachment| attachment.ifname() == ifname);
        named.and_then(|attachment| attachment.address()).unwrap_or_else(|| panic!("{ifname} has no address"))
    }

    /// CHECK of every attachment that lives.
    pub fn check(&self) -> Result<(), Refusal> {
        let attachments = self.0.attachments.lock().unwrap();
        attachments.iter().filter(|attachment| attachment.is_owed()).try_for_each(|attachment| attachment.check())
    }

    /// DEL of every attachment that is owed one, the newest first.
    pub fn detach(&self) -> Result<(), Refusal> {
        let attachments = self.0.attachments.lock().unwrap();
        attachments.iter().rev().filter(|attachment| attachment.is_owed()).try_for_each(|attachment| attachment.del())
    }
}

fn resolv_conf(dns: &Value) -> String {
    let words =
        |key: &str| -> Vec<&str> { dns[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect() };
    let servers = words("nameservers").into_iter().map(|server| ["nameserver", server].join(" "));
    let options = ["search", "options"].into_iter().filter(|key| !words(key).is_empty());
    let options = options.map(|key| [&[key], &*words(key)].concat().join(" "));
    servers.chain(options).map(|line| line + "\n").collect()
}
