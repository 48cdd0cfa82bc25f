//! What the loop wakes up for, and much of it at once as one.

use tokio::sync::{mpsc, oneshot};

use crate::health::Word;

/// How many events may wait; who has one more waits.
pub(crate) const WAITING: usize = 256;

/// What the loop wakes up for. None says what to do: each leads to a new look at the whole.
#[derive(Debug)]
pub(crate) enum Event {
    /// Documents changed.
    Store,
    /// Interfaces, addresses or rules changed.
    Kernel,
    /// The host's resolvers may have changed.
    Resolv,
    /// It is time for something that was put off.
    Timer,
    /// A plugin wants to know when what it recorded is served; the answer is the generation.
    Poke(oneshot::Sender<u64>),
    /// Somebody said how a container is.
    Health(Word),
    /// What other hosts have may have changed.
    Cluster,
    /// A round of repair has ended.
    RoundEnded,
    /// SIGHUP.
    Reload,
    /// SIGTERM or SIGINT.
    Stop,
}

/// Events that came together: what is in here twice is done once.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    pub(crate) kernel: bool,
    pub(crate) resolv: bool,
    /// A second has passed, see [`crate::sources::TICK`].
    pub(crate) tick: bool,
    pub(crate) pokes: Vec<oneshot::Sender<u64>>,
    pub(crate) words: Vec<Word>,
    pub(crate) round_ended: bool,
    pub(crate) reload: bool,
    pub(crate) stop: bool,
}

impl Burst {
    /// `first` and what waits behind it, but not what comes meanwhile.
    pub(crate) fn gather(first: Event, waiting: &mut mpsc::Receiver<Event>) -> Self {
        let mut burst = Self::default();
        burst.add(first);
        for _ in 0..waiting.len() {
            waiting.try_recv().into_iter().for_each(|event| burst.add(event));
        }
        burst
    }

    fn add(&mut self, event: Event) {
        match event {
            // Every turn asks the watch, the clock, and for the view of the cluster.
            Event::Store | Event::Cluster | Event::Timer => {}
            Event::Kernel => self.kernel = true,
            Event::Resolv => self.resolv = true,
            Event::Poke(reply) => self.pokes.push(reply),
            Event::Health(word) => self.words.push(word),
            Event::RoundEnded => self.round_ended = true,
            Event::Reload => self.reload = true,
            Event::Stop => self.stop = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_storm_is_one_burst_and_every_poke_is_kept() {
        let (sender, mut receiver) = mpsc::channel(WAITING);
        for _ in 0..100 {
            sender.try_send(Event::Kernel).unwrap();
            sender.try_send(Event::Poke(oneshot::channel().0)).unwrap();
        }
        sender.try_send(Event::RoundEnded).unwrap();
        let burst = Burst::gather(receiver.recv().await.unwrap(), &mut receiver);
        assert!(burst.kernel && burst.round_ended && !burst.stop);
        assert_eq!(burst.pokes.len(), 100);
        assert!(receiver.is_empty());
    }
}
