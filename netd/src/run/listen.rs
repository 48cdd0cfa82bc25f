//! Where the loop answers questions, and when it says so to plugins.

use std::{sync::Arc, time::Instant};

use tokio::sync::oneshot;

use super::Daemon;
use crate::zones;

impl Daemon {
    /// Listens where names are served now, if that may be elsewhere than before: bridges come, go, and are made again
    /// under another number.
    pub(super) async fn listen(&mut self, again: bool, round_ended: bool) {
        let before = Arc::clone(self.listening.redirects());
        if round_ended {
            self.listening.redirected(&self.rounds.redirected()).await;
        }
        self.listening.ebb(Instant::now()).await;
        if std::mem::take(&mut self.is_moved) {
            self.listeners = zones::listeners(self.kept.served(), netd_kernel::link_index);
            self.listening.set(self.listeners.values().cloned().collect(), again).await;
        }
        if !Arc::ptr_eq(&before, self.listening.redirects()) {
            self.pace.tell();
        }
    }

    /// Tells plugins that their names are served: at once, but where questions must be led to us first, and a round was not
    /// yet about that.
    pub(super) fn answer(&mut self, pokes: Vec<oneshot::Sender<u64>>) {
        self.waiting.extend(pokes);
        let redirects = self.listening.redirects();
        if redirects.wanted.is_empty() || Arc::ptr_eq(redirects, &self.rounds.redirected().redirects) {
            let generation = self.generation();
            for poke in self.waiting.drain(..) {
                // Who asked may have gone.
                let _ = poke.send(generation);
            }
        }
    }
}
