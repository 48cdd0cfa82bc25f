//! Owns: netlink, nftables, namespaces, sysctls.
//! Never: files of ours, configuration, decisions.

mod kernel;
mod netns;

mod apply;
mod child;
mod conntrack;
mod events;
mod facts;
mod few;
mod foreign;
mod frames;
mod gates;
mod observe;
mod sockets;
mod unlearn;
mod wait;

mod error;
mod nft;
mod offload;
mod rtnetlink;
mod sysctl;
mod wire;

pub use child::die_with_us;
pub use error::Error;
pub use events::{Event, Events};
pub use facts::link_index;
pub use frames::{Talk, send_frame_in};
pub use kernel::Kernel;
pub use netns::Netns;
pub use nft::{
    chain::{Hook, HookedChain},
    program::{has_chain, has_nft},
    rule::{ForeignChain, ForeignFamily, ForeignRule},
};
pub use offload::offloads_soundly;
pub use sockets::{Listener, Process};
pub use sysctl::has_ipv6;
