//! Where events come from: the store, the host's resolvers, signals, a timer, and a queue for all else.

use std::{io, os::fd::AsFd, os::fd::OwnedFd, path::Path, time::Duration};

use netd_store::{Store, Watch};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    event::{Burst, Event, WAITING},
    ready::register,
    resolv::Resolv,
};

/// How long the loop sleeps at most: it looks without being told, and feeds the watchdog.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// All that the loop waits for.
pub(crate) struct Sources {
    /// The host's resolvers.
    pub(crate) resolv: Resolv,
    /// Whether documents changed.
    pub(crate) watch: Watch,
    watch_ready: AsyncFd<OwnedFd>,
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
    queue: mpsc::Receiver<Event>,
    tick: Instant,
}

impl Sources {
    /// The sources, and the end of the queue where others put events in.
    pub(crate) fn open(store: &Store, resolv: &Path) -> anyhow::Result<(Self, mpsc::Sender<Event>)> {
        let (sender, queue) = mpsc::channel(WAITING);
        let watch = Watch::open(store)?;
        let sources = Self {
            resolv: Resolv::watch(resolv)?,
            watch_ready: register(watch.as_fd().try_clone_to_owned()?)?,
            watch,
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            queue,
            tick: Instant::now(),
        };
        Ok((sources, sender))
    }

    /// What happens next, with what happened at the same time; at the latest at `until` or after [`TICK`].
    pub(crate) async fn next(&mut self, until: std::time::Instant) -> Burst {
        let until = self.tick.min(until.into());
        let event = tokio::select! {
            Some(event) = self.queue.recv() => event,
            _ = readable(&self.watch_ready) => Event::Store,
            _ = self.resolv.changed() => Event::Resolv,
            _ = self.hang_up.recv() => Event::Reload,
            _ = self.terminate.recv() => Event::Stop,
            _ = self.interrupt.recv() => Event::Stop,
            () = sleep_until(until) => Event::Timer,
        };
        let mut burst = Burst::gather(event, &mut self.queue);
        // Under a load of other events the tick must not starve: it feeds the watchdog.
        if Instant::now() >= self.tick {
            burst.tick = true;
            self.tick = Instant::now() + TICK;
        }
        burst
    }
}

/// Returns when the descriptor became readable. Who reads it reads all: it is told only once.
async fn readable(descriptor: &AsyncFd<OwnedFd>) -> io::Result<()> {
    descriptor.readable().await?.clear_ready();
    Ok(())
}
