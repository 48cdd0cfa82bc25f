//! What the loop makes of containers' health.

use netd_model::attachment::Progress;
use tokio::sync::oneshot;

use super::Daemon;
use crate::{
    health::{Heard, Word},
    logs::chain,
};

impl Daemon {
    /// Takes words on containers' health, which are served when they are answered.
    pub(super) fn hear(&mut self, words: Vec<Word>) -> Vec<(oneshot::Sender<Heard>, Heard)> {
        let mut is_news = false;
        let mut heard = Vec::new();
        for Word { id, health, reply } in words {
            let found = self.snapshot.attachments.get(&id);
            let is_there = found.is_some_and(|it| it.boot == *self.boot && it.progress != Progress::Deleting);
            let outcome = match is_there.then(|| self.reports.take(&id, health)) {
                None => Heard::Unknown,
                Some(Ok(is_new)) => {
                    is_news |= is_new;
                    Heard::Served
                }
                Some(Err(error)) => Heard::NotWritten(chain(&error)),
            };
            heard.push((reply, outcome));
        }
        if is_news {
            self.publish();
            self.serve();
        }
        heard
    }
}
