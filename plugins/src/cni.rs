//! The CNI protocol, specification 1.1: what a runtime says, what it is told, and in which words.
//!
//! Owns: the forms of request, result and error, and the codes.
//! Never: the environment, standard input or output by itself (only [`print`](output::print) writes); the kernel.

pub mod address;
pub mod args;
pub mod decode;
pub mod error;
pub mod output;
pub mod request;
pub mod result;
pub mod version;

pub use args::CniArgs;
pub use error::{Error, Kind};
pub use output::Outcome;
pub use request::{Command, Environment, Invocation, Request, Target, Valid};
pub use result::CniResult;
pub use version::{About, Version};
