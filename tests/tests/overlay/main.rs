//! Hosts that share an overlay network by a file that lists them or by etcd: what containers see, and people who break things.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod change;
mod cluster;
mod direct;
mod etcd;
mod heal;
mod l2;
mod lost;
mod moved;
mod mtu;
mod packets;
mod policy;
mod reach;
mod refused;
mod storm;
mod upgrade;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
