//! The law: for every desired state d, after `apply(plan(d, observe()))`, `plan(d, observe())` is empty.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod attachments;
mod kinds;
mod l2;
mod law;
mod overlay;
mod queues;
mod true_to_life;
