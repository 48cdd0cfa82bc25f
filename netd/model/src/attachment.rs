//! An attachment: one container in one network, and the document that remembers it.
//!
//! The document is written before the first change of the kernel, with all that undoing and rebuilding need, and
//! unlinked after the last. Plugins and netd meet in it: each plugin of a chain records a [`Section`] of objects it
//! wants in the kernel, and whoever reads it can take them away or put them back without knowing the plugin.

mod names;
mod port;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

pub use names::{Listen, NamedPort, Names, StaticData, StaticRecord};
pub use port::PublishedPort;

use crate::{
    digest::hex,
    name::{ContainerId, Derived, LinkName, NetworkName, derived_link},
    object::{Direction, Key, Link, Object, Side, State},
    plan::Desired,
};

/// The form of the document; one that is higher was written by a newer netd.
pub const VERSION: u32 = 1;

/// Which attachment: a container may be in a network with several interfaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentId {
    /// The network.
    pub network: NetworkName,
    /// The container.
    pub container: ContainerId,
    /// The interface in the container: `CNI_IFNAME`.
    pub ifname: LinkName,
}

/// What was done, and so what may be half done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// ADD has begun: the kernel may hold any part of it.
    Adding,
    /// ADD has ended.
    Ready,
    /// DEL has begun: the kernel may hold any part of it.
    Deleting,
}

/// The namespace of the container: a path may be reused, its device and inode say that it is still the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// `CNI_NETNS`.
    pub path: PathBuf,
    /// The device of the file.
    pub device: u64,
    /// The inode of the file.
    pub inode: u64,
}

/// An address that host-local keeps for the attachment, so that it is freed even if the configuration is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The folder of the network's leases.
    pub pool: PathBuf,
    /// The address.
    pub address: IpAddr,
}

/// What one plugin of the chain wants for the attachment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Objects that attachments share: the bridge, its addresses, the program. DEL leaves them.
    #[serde(default, skip_serializing_if = "State::is_empty")]
    pub shared: State,
    /// Objects of this attachment alone. DEL removes them.
    #[serde(default, skip_serializing_if = "State::is_empty")]
    pub own: State,
    /// What another plugin made, with the attributes that this one gave it.
    #[serde(default, skip_serializing_if = "State::is_empty")]
    pub changed: State,
    /// What this plugin changed or took away, as it was before. DEL puts it back, as far as it is there.
    #[serde(default, skip_serializing_if = "State::is_empty")]
    pub before: State,
    /// Objects that attachments hold together, such as what is of an interface behind which they are. The last takes them
    /// away.
    #[serde(default, skip_serializing_if = "State::is_empty")]
    pub held: State,
    /// Addresses to free.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leases: Vec<Lease>,
    /// Names to serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Box<Names>>,
}

/// The document of an attachment: `<run_dir>/attachments/<network>/<hash>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// The form of the document.
    pub version: u32,
    /// Which attachment.
    #[serde(rename = "attachment")]
    pub id: AttachmentId,
    /// What may be half done.
    pub progress: Progress,
    /// The boot of the host in which it was made: `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// The namespace of the container, where the runtime gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<Namespace>,
    /// Plugin type -> what it wants. A map has room for eleven, so they are elsewhere.
    pub sections: BTreeMap<String, Box<Section>>,
}

/// The name of the document of a container's interface, whatever the network: 32 hexadecimal digits.
pub fn document(container: &ContainerId, ifname: &LinkName) -> String {
    hex(&[container.as_str(), ifname.as_str()], 32)
}

impl Section {
    /// The interfaces that are guarded by what it holds: elements that attachments have together are their interface's own.
    pub fn guarded_links(&self) -> impl Iterator<Item = LinkName> {
        self.held.iter().filter_map(|object| match object {
            Object::Element(element) => element.owner.parse().ok(),
            _ => None,
        })
    }
}

/// The name of what attachments hold together, as JSON says it: 32 hexadecimal digits.
pub fn holding(json: &str) -> String {
    hex(&[json], 32)
}

impl AttachmentId {
    /// Who owns a link (its alias) or an element (its comment): `network/container/ifname`, at most 120 bytes.
    pub fn owner(&self) -> String {
        let full = format!("{}/{}/{}", self.network, self.container, self.ifname);
        if full.len() <= 120 {
            return full;
        }
        let start: String = full.chars().take(80).collect();
        format!("{start}#{}", hex(&[&full], 32))
    }

    /// Whose a thing of this owner is; none where the owner is another program, or was too long to be said whole.
    pub fn of_owner(owner: &str) -> Option<Self> {
        let mut parts = owner.splitn(3, '/');
        let (network, container, ifname) = (parts.next()?, parts.next()?, parts.next()?);
        let id =
            Self { network: network.parse().ok()?, container: container.parse().ok()?, ifname: ifname.parse().ok()? };
        (id.owner() == owner).then_some(id)
    }

    /// The name of the host's end of the pair: a function of container and interface alone.
    pub fn host_link(&self) -> LinkName {
        derived_link(Derived::Veth, &[self.container.as_str(), self.ifname.as_str()])
    }

    /// The second name of an interface of the host that the container gets.
    pub fn mark(&self) -> LinkName {
        derived_link(Derived::Mark, &[self.container.as_str(), self.ifname.as_str()])
    }

    /// The name of the IFB in which what the container gets, or sends, is held back.
    pub fn ifb(&self, direction: Direction) -> LinkName {
        derived_link(Derived::Ifb, &[self.container.as_str(), self.ifname.as_str(), direction.word()])
    }

    /// The name of the document within its network: the same in every network, so that DEL finds it after a rename.
    pub fn hash(&self) -> String {
        document(&self.container, &self.ifname)
    }
}

impl Attachment {
    /// All objects of all sections, `own` after `shared` and `held`.
    pub fn wanted(&self) -> State {
        let mut wanted: State = self.sections.values().flat_map(|section| section.shared.iter().cloned()).collect();
        wanted.extend(self.held());
        wanted.extend(self.sections.values().flat_map(|section| section.own.iter().cloned()));
        wanted
    }

    /// What it holds with others.
    pub fn held(&self) -> State {
        self.sections.values().flat_map(|section| section.held.iter().cloned()).collect()
    }

    /// DEL's desired state: nothing that is this attachment's own.
    ///
    /// What ends with an interface of its own is not named, so that it need not be looked for.
    pub fn unwanted(&self) -> Desired {
        let own: State = self.sections.values().flat_map(|section| section.own.iter().cloned()).collect();
        let ends_with_own = |object: &Object| object.carrier().is_some_and(|link| own.find(&link).is_some());
        let newborn = |object: &Object| match object {
            Object::Link(link) => Some(Object::Link(Link { name: link.newborn()?, ..link.clone() })),
            _ => None,
        };
        let mut absent: State = own.iter().filter(|object| !ends_with_own(object)).cloned().collect();
        // An ADD may have died before it had its name.
        absent.extend(own.iter().filter_map(newborn));
        Desired { present: State::default(), absent }
    }

    /// The interfaces that are guarded by what it holds.
    pub fn guarded_links(&self) -> BTreeSet<LinkName> {
        self.sections.values().flat_map(|section| section.guarded_links()).collect()
    }

    /// The names to serve, if a plugin recorded some.
    pub fn names(&self) -> Option<&Names> {
        self.sections.values().find_map(|section| section.names.as_deref())
    }

    /// The ports of the host that lead to it.
    pub fn ports(&self) -> impl Iterator<Item = PublishedPort> {
        self.sections.values().flat_map(|section| section.own.iter()).filter_map(PublishedPort::of)
    }

    /// The host's end of the pair, if this attachment has one.
    pub fn host_link(&self) -> Option<LinkName> {
        let key = Key::Link(Side::Host, self.id.host_link());
        self.sections.values().any(|section| section.own.find(&key).is_some()).then(|| self.id.host_link())
    }

    /// Whether its container is no more: it is of another boot, or both its namespace and the host's end of its pair are
    /// gone. Time alone makes nothing dead: clocks jump, and hosts that are containers restart under the same boot id.
    pub fn is_dead(
        &self,
        boot: &str,
        link_exists: impl FnOnce(&LinkName) -> bool,
        namespace_exists: impl FnOnce(&Namespace) -> bool,
    ) -> bool {
        if self.boot != boot {
            return true;
        }
        let link = self.host_link();
        // Where neither is recorded there is nothing to conclude from.
        (link.is_some() || self.netns.is_some())
            && !self.netns.as_ref().is_some_and(namespace_exists)
            && !link.is_some_and(|link| link_exists(&link))
    }
}
