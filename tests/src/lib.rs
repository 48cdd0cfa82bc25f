//! Owns: lab namespaces.
//! Never: our crates but the model; the rest through binaries.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "this crate is tests: a panic is how it fails, and stderr is how it explains"
)]

mod binaries;
mod eventually;
pub mod lab;
pub mod memory_kernel;
mod process;
mod skip;
mod tracer;

pub use crate::binaries::{built, workspace};
pub use crate::eventually::{eventually, holds_within, throughout};
pub use crate::lab::{
    Attachment, Call, Container, Daemon, Host, Lab, List, Node, PLUGINS, RARE_KINDS, REFERENCE, Run, ServiceManager,
    host_lease,
};
pub use crate::process::{Outcome, Refusal, run};
pub use crate::skip::{has, need, skip};
pub use crate::tracer::Trace;
