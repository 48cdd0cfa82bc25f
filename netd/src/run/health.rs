//! What the loop makes of containers' health.

use netd_model::{
    attachment::{Attachment, Progress},
    health::Health,
};
use tokio::sync::oneshot;

use super::Daemon;
use crate::{
    health::{By, Heard, Word},
    logs::chain,
};

impl Daemon {
    /// Takes words on containers' health, which are served when they are answered.
    pub(super) fn hear(&mut self, words: Vec<Word>) -> Vec<(oneshot::Sender<Heard>, Heard)> {
        let mut is_news = false;
        let mut heard = Vec::new();
        for Word { id, by, health, reply } in words {
            let found = self.snapshot.attachments.get(&id);
            let is_there = found.is_some_and(|it| it.boot == *self.boot && it.progress != Progress::Deleting);
            let outcome = match is_there.then(|| self.reports.take(&id, by, health)) {
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

    /// Asks a container how it is, as far as it wants that. One that came is not healthy before it said so; of those that
    /// netd finds when it starts, what was known holds.
    pub(super) fn probe(&mut self, old: Option<&Attachment>, new: Option<&Attachment>, is_first: bool) {
        let Some(id) = new.or(old).map(|attachment| &attachment.id) else { return };
        let reports = &mut self.reports;
        self.prober.set(id, new, |id| {
            if !is_first && let Err(error) = reports.take(id, By::Probe, Health::Starting) {
                tracing::warn!(error = chain(&error), "report not written");
            }
            reports.said(id, By::Probe)
        });
    }
}
