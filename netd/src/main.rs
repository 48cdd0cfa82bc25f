//! Owns: signals, timers, tasks, control socket.
//! Never: a container's interface.

fn main() {}
