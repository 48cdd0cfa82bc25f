//! The kernel as two namespaces, the host's and a container's, and `nf_tables` in the host's.

use std::{collections::HashMap, io};

use netd_model::{name::LinkName, object::Side};

use crate::{
    error::Error,
    netns::Netns,
    wire::{Protocol, Socket},
};

/// The kernel, as seen from the namespace in which it was opened and, if one was given, a container's.
///
/// Sockets are opened when they are first needed, and stay.
pub struct Kernel {
    pub(crate) host: Space,
    pub(crate) container: Space,
    nft: Option<Socket>,
}

/// One side: its namespace, its rtnetlink socket, and the numbers of the interfaces that were met.
pub(crate) struct Space {
    pub(crate) side: Side,
    pub(crate) netns: Option<Netns>,
    socket: Option<Socket>,
    pub(crate) indexes: HashMap<LinkName, u32>,
}

impl Kernel {
    /// The kernel of the calling thread's namespace, which is the host's, and of a container.
    ///
    /// Without a container's namespace nothing exists on its side, and nothing can be made there.
    pub fn open(netns: Option<Netns>) -> Self {
        Self { host: Space::new(Side::Host, None), container: Space::new(Side::Container, netns), nft: None }
    }

    /// The container's namespace.
    pub fn netns(&self) -> Option<&Netns> {
        self.container.netns.as_ref()
    }

    pub(crate) fn space(&mut self, side: Side) -> &mut Space {
        match side {
            Side::Host => &mut self.host,
            Side::Container => &mut self.container,
        }
    }

    /// The `nf_tables` socket of the host.
    pub(crate) fn nft(&mut self) -> Result<&mut Socket, Error> {
        let socket = match self.nft.take() {
            Some(socket) => socket,
            None => Socket::open(Protocol::Netfilter).map_err(|source| {
                let attempt = "open nfnetlink".to_owned();
                match source.kind() {
                    io::ErrorKind::Unsupported => Error::MissingFeature { attempt, option: "CONFIG_NETFILTER_NETLINK" },
                    _ => Error::Io { attempt, source },
                }
            })?,
        };
        Ok(self.nft.insert(socket))
    }
}

impl Space {
    fn new(side: Side, netns: Option<Netns>) -> Self {
        Self { side, netns, socket: None, indexes: HashMap::new() }
    }

    /// Whether there is a namespace.
    pub(crate) fn exists(&self) -> bool {
        self.side == Side::Host || self.netns.is_some()
    }

    /// Runs `work` with the calling thread in this namespace.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let attempt = || format!("enter the namespace of the {}", self.word());
        match (self.side, &self.netns) {
            (Side::Host, _) => work(),
            (Side::Container, Some(netns)) => {
                netns.within(work).map_err(|source| Error::Io { attempt: attempt(), source })?
            }
            (Side::Container, None) => Err(Error::NoNamespace { attempt: attempt() }),
        }
    }

    /// The rtnetlink socket.
    pub(crate) fn socket(&mut self) -> Result<&mut Socket, Error> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.within(|| {
                let attempt = || format!("open rtnetlink of the {}", self.word());
                Socket::open(Protocol::Route).map_err(|source| Error::Io { attempt: attempt(), source })
            })?,
        };
        Ok(self.socket.insert(socket))
    }

    /// `host` or `container`.
    pub(crate) fn word(&self) -> &'static str {
        match self.side {
            Side::Host => "host",
            Side::Container => "container",
        }
    }
}
