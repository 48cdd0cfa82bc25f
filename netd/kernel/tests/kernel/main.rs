//! The kernel crate on a real kernel: each test has namespaces of its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod addresses;
mod elements;
mod facts;
mod lab;
mod law;
mod links;
mod namespaces;
mod others;
mod overlay;
mod programs;
mod queues;
mod traffic;
mod wanted;
mod witness;
