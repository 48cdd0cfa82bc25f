//! What can go wrong between us and the kernel.

use std::io;

use rustix::io::Errno;

use crate::wire::{Fault, Refusal};

/// Why something was not read or not changed. The text begins with what was attempted, as a line of a script.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused a request.
    #[error("{attempt}: {errno}{}", words(.said))]
    Refused {
        /// What was attempted, on what.
        attempt: String,
        /// The error number.
        errno: Errno,
        /// The kernel's own words, or nothing.
        said: String,
    },
    /// The kernel was built without something, or its module is not loaded.
    #[error("{attempt}: this kernel lacks {option}")]
    MissingFeature {
        /// What was attempted, on what.
        attempt: String,
        /// The option of the kernel's configuration.
        option: &'static str,
    },
    /// A file, a socket or a process failed.
    #[error("{attempt}")]
    Io {
        /// What was attempted, on what.
        attempt: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The host has no `nft` that could load a program.
    #[error("{attempt}: there is no nft on this host, install nftables")]
    NoNft {
        /// What was attempted.
        attempt: String,
    },
    /// `nft` refused a program.
    #[error("{attempt}: nft says: {stderr}")]
    Nft {
        /// What was attempted.
        attempt: String,
        /// Its words.
        stderr: String,
    },
    /// `nft` refused the conditions of a network.
    #[error("{attempt}: nft says: {stderr}")]
    Conditions {
        /// What was attempted.
        attempt: String,
        /// Its words.
        stderr: String,
    },
    /// Another firewall of the host refused to let packets through.
    #[error("{attempt}: {said}")]
    Foreign {
        /// What was attempted.
        attempt: String,
        /// Its words.
        said: String,
    },
    /// A newer netd asked for a program that this one does not have.
    #[error("{attempt}: this binary has version {ours}")]
    NewerProgram {
        /// What was attempted.
        attempt: String,
        /// The version that this binary brings.
        ours: u32,
    },
    /// The container's namespace was not given, or is gone.
    #[error("{attempt}: there is no namespace of a container")]
    NoNamespace {
        /// What was attempted.
        attempt: String,
    },
    /// The step cannot be taken by anybody.
    #[error("{attempt}: {reason}")]
    Impossible {
        /// What was attempted.
        attempt: String,
        /// Why it cannot be.
        reason: &'static str,
    },
    /// A wait ended without what it was for.
    #[error("{attempt}: not within {} ms", .limit.as_millis())]
    Late {
        /// What was waited for.
        attempt: String,
        /// How long.
        limit: std::time::Duration,
    },
    /// Another host has the address (RFC 4862 5.4).
    #[error("{address} on {link}: another host has this address")]
    DuplicateAddress {
        /// The interface.
        link: String,
        /// The address.
        address: std::net::IpAddr,
    },
}

impl Error {
    /// Whether the thing that was to be made is there already.
    pub fn is_exists(&self) -> bool {
        matches!(self, Self::Refused { errno: Errno::EXIST, .. })
    }

    /// Whether another program has what was to be taken, such as a port.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Refused { errno: Errno::ADDRINUSE, .. })
    }

    /// Whether something that was there when it was looked at has gone meanwhile, such as a table that others flushed.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Refused { errno: Errno::NOENT, .. })
    }

    /// What a fault of the wire means for an attempt that `attempt` names by the index of its request.
    pub(crate) fn at(fault: Fault, attempt: impl FnOnce(usize) -> String) -> Self {
        match fault {
            Fault::Refused(index, refusal) => Self::refused(attempt(index), refusal),
            Fault::Broken(source) => Self::Io { attempt: attempt(0), source },
        }
    }

    pub(crate) fn refused(attempt: String, Refusal { errno, said }: Refusal) -> Self {
        Self::Refused { attempt, errno, said }
    }
}

fn words(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" ({said})") }
}
