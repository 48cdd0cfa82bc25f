//! Owns: environment, stdin, stdout, exit code.
//! Never: async, waiting on the daemon beyond its bound.

pub mod cni;
pub mod install;
