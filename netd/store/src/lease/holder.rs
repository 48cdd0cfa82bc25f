//! Who has a lease, as the text of its file says.

use netd_model::name::{ContainerId, LinkName};

/// An attachment as a lease names it: the folder says in which network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The container.
    pub container: ContainerId,
    /// The interface in the container.
    pub ifname: LinkName,
}

/// Who has a lease.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// An attachment.
    Attachment(Owner),
    /// A container, whichever its interface: a lease of an old version of host-local.
    Container(ContainerId),
    /// Somebody who is neither: the text is no plugin's, or the file is no file. Never taken away.
    Unknown,
}

/// Between container and interface.
const LINE_BREAK: &str = "\r\n";

impl Holder {
    /// Reads the text of a lease's file; `None` when it is empty or torn, and so nobody's.
    ///
    /// A plugin that was killed, or a host that lost power, leaves the beginning of a text, or bytes that are no text.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let control = |c: char| c.is_control() && !c.is_whitespace();
        if text.trim().is_empty() || text.contains(control) || text.ends_with(['\r']) || text.ends_with(LINE_BREAK) {
            return None;
        }
        let text = text.trim();
        let holder = match text.split_once(LINE_BREAK) {
            Some((container, ifname)) => attachment(container, ifname),
            None => text.parse().ok().map(Self::Container),
        };
        Some(holder.unwrap_or(Self::Unknown))
    }

    /// The text of a lease's file; nothing for [`Holder::Unknown`].
    pub(super) fn text(&self) -> String {
        match self {
            Self::Attachment(Owner { container, ifname }) => format!("{container}{LINE_BREAK}{ifname}"),
            Self::Container(container) => container.to_string(),
            Self::Unknown => String::new(),
        }
    }

    /// Whether it is this attachment, as far as the text tells.
    pub(super) fn is(&self, owner: &Owner) -> bool {
        match self {
            Self::Attachment(holder) => holder == owner,
            Self::Container(container) => *container == owner.container,
            Self::Unknown => false,
        }
    }

    /// The container, where it is known.
    pub fn container(&self) -> Option<&ContainerId> {
        match self {
            Self::Attachment(Owner { container, .. }) | Self::Container(container) => Some(container),
            Self::Unknown => None,
        }
    }
}

fn attachment(container: &str, ifname: &str) -> Option<Holder> {
    Some(Holder::Attachment(Owner { container: container.parse().ok()?, ifname: ifname.parse().ok()? }))
}
