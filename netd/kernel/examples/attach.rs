//! How long one container on a bridge takes in the kernel: `unshare --net target/.../examples/attach [COUNT]`, as root.
//!
//! Prints the least and the median time of looking and of changing, for ADD and for DEL, without files and processes;
//! and how much of it this thread was running: the rest it waited, mostly for other users of the kernel's one lock.
#![allow(
    dead_code,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "no product"
)]

#[path = "../tests/kernel/lab.rs"]
mod lab;
#[path = "../tests/kernel/wanted.rs"]
mod wanted;

use std::time::Duration;

use netd_kernel::{Kernel, Netns};
use netd_model::plan::{Desired, plan};
use rustix::time::{ClockId, clock_gettime};

/// On the wall, and of this thread's processor.
type Times = [Duration; 2];

fn timed<T>(work: impl FnOnce() -> T) -> (Times, T) {
    let now = || [ClockId::Monotonic, ClockId::ThreadCPUTime].map(|clock| clock_gettime(clock).try_into().unwrap());
    let start: Times = now();
    let done = work();
    let end: Times = now();
    (std::array::from_fn(|clock| end[clock].saturating_sub(start[clock])), done)
}

fn run(kernel: &mut Kernel, desired: &Desired) -> [Times; 2] {
    let (look, seen) = timed(|| kernel.observe(desired.keys()).unwrap());
    let plan = plan(desired, &seen);
    let (change, ()) = timed(|| kernel.apply(&plan).unwrap());
    [look, change]
}

fn main() {
    let count: usize = std::env::args().nth(1).map_or(100, |count| count.parse().unwrap());
    run(&mut Kernel::open(None), &lab::present(wanted::shared()));
    let mut all: [Vec<Times>; 4] = Default::default();
    for _ in 0..count {
        let container = lab::Namespace::new();
        let kernel = || Kernel::open(Netns::open(&container.path()).unwrap());
        let add = run(&mut kernel(), &lab::present(wanted::shared().into_iter().chain(wanted::own())));
        let del = run(&mut kernel(), &lab::absent(wanted::own()));
        for (times, time) in all.iter_mut().zip(add.into_iter().chain(del)) {
            times.push(time);
        }
    }
    for (what, times) in ["ADD observe", "ADD apply", "DEL observe", "DEL apply"].iter().zip(&all) {
        let [wall, running] = [0, 1].map(|clock| {
            let mut times: Vec<Duration> = times.iter().map(|times| times[clock]).collect();
            times.sort();
            format!("{:6} {:6}", times[0].as_micros(), times[times.len() / 2].as_micros())
        });
        println!("{what:12} least, median: {wall} us, running {running} us");
    }
}
