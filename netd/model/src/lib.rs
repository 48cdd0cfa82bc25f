//! The nouns of netd and the plan: what should be, what is, and the difference as data.
//!
//! Owns: nothing.
//! Never: I/O of any kind, clock, async.

pub mod addr;
pub mod name;

pub mod attachment;
pub mod dhcp;
pub mod element;
pub mod health;
pub mod object;
pub mod overlay;
pub mod upstream;

pub mod plan;

mod digest;

pub use ipnetwork::IpNetwork;
