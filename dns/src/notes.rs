//! Notes of single questions, for who keeps a log of them: one of so many, by chance, so that no pattern of questions is
//! seen alone.
//!
//! Nobody waits for whoever takes the notes: what finds no room is counted and forgotten.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use fastrand::Rng;
use hickory_proto::rr::RecordType;
use tokio::time::Instant;

use crate::counters::{Count, Outcome};
use crate::header::CODE;
use crate::message::HEADER;
use crate::packet::Origin;
use crate::{ContainerId, NetworkId, Zones};

#[cfg(test)]
mod tests;

/// Notes that wait to be taken: some megabytes.
const ROOM: usize = 8192;
/// Octets of a label, and of a name with its lengths (RFC 1035 2.3.4).
const MAX_LABEL: u8 = 63;
const MAX_NAME: usize = 255;

/// What one question was, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When it came.
    pub at: SystemTime,
    /// The network that it came from; none if there is none where it was asked.
    pub network: Option<NetworkId>,
    /// The container that has the source, if one has.
    pub container: Option<ContainerId>,
    /// The address that it came from.
    pub source: IpAddr,
    /// The name as it was spelled, without the dot of the root, and the type, such as `AAAA` or `TYPE65280` (RFC 3597 5);
    /// none where the packet holds no question.
    pub question: Option<(String, String)>,
    /// What became of it.
    pub outcome: Outcome,
    /// The code of the response (RFC 6895 2.3); none if there was no response. Of what upstreams say, what stands in OPT is
    /// left out.
    pub code: Option<u16>,
    /// From its coming to its response.
    pub took: Duration,
}

/// Where notes are taken from; they end when others are wanted.
#[derive(Debug)]
pub struct Notes {
    receiver: Receiver<Note>,
    lost: Arc<Count>,
}

/// Who wants notes.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// One of so many; none of 0.
    every: AtomicU32,
    sender: ArcSwapOption<SyncSender<Note>>,
    lost: Arc<Count>,
}

/// A note that has no end yet.
#[derive(Debug)]
pub(crate) struct Begun {
    note: Note,
    since: Instant,
    sender: Arc<SyncSender<Note>>,
    lost: Arc<Count>,
}

impl Notes {
    /// The next, when there is one.
    ///
    /// # Errors
    /// There will be no more.
    pub fn next(&self) -> Result<Note, RecvError> {
        self.receiver.recv()
    }

    /// The next, if there is one.
    ///
    /// # Errors
    /// There is none now, or will be no more.
    pub fn waiting(&self) -> Result<Note, TryRecvError> {
        self.receiver.try_recv()
    }

    /// Counts notes that could not be kept.
    pub fn lose(&self, count: u64) {
        self.lost.add(count);
    }
}

impl Wanted {
    /// From now on one question in `every` is noted, for who takes the notes; those from before end.
    pub(crate) fn take(&self, every: NonZeroU32) -> Notes {
        let (sender, receiver) = sync_channel(ROOM);
        self.sender.store(Some(Arc::new(sender)));
        self.every.store(every.get(), Ordering::Relaxed);
        Notes { receiver, lost: Arc::clone(&self.lost) }
    }

    /// None from now on.
    pub(crate) fn end(&self) {
        self.every.store(0, Ordering::Relaxed);
        self.sender.store(None);
    }

    /// Whether there are any.
    pub(crate) fn is_any(&self) -> bool {
        self.every.load(Ordering::Relaxed) != 0
    }

    /// Notes that were not kept.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.get()
    }

    /// Begins a note about a packet that came at `since`, if it is the one of many.
    pub(crate) fn begin(
        &self,
        zones: &Zones,
        origin: Origin<'_>,
        packet: &[u8],
        since: impl FnOnce() -> Instant,
        rng: &mut Rng,
    ) -> Option<Begun> {
        let every = self.every.load(Ordering::Relaxed);
        if every == 0 || rng.u32(..every) != 0 {
            return None;
        }
        let sender = self.sender.load_full()?;
        let since = since();
        let zone = zones.zone_of(origin.listener, origin.source);
        let container = zone.and_then(|zone| zone.attachments_at(origin.source).next());
        let note = Note {
            at: SystemTime::now() - since.elapsed(),
            network: zone.map(|zone| zone.network.id.clone()),
            container: container.map(|attachment| attachment.container.clone()),
            source: origin.source,
            question: question(packet),
            outcome: Outcome::Ignored,
            code: None,
            took: Duration::ZERO,
        };
        Some(Begun { note, since, sender, lost: Arc::clone(&self.lost) })
    }
}

impl Begun {
    /// Ends the note with the response, if there is one, and gives it to who takes notes.
    pub(crate) fn end(self, outcome: Outcome, response: Option<&[u8]>) {
        let Self { note, since, sender, lost } = self;
        let code = response.and_then(code);
        if sender.try_send(Note { outcome, code, took: since.elapsed(), ..note }).is_err() {
            lost.add(1);
        }
    }
}

/// The code of a response. That of ours is alone in OPT, which then is the last record and has no options.
fn code(response: &[u8]) -> Option<u16> {
    let low = u16::from(response.get(3)? & CODE);
    let high = match response {
        [.., 0, 0, 41, _, _, high, 0, _, _, 0, 0] => u16::from(*high),
        _ => 0,
    };
    Some(high << 4 | low)
}

/// Name and type of the first question of a packet, if its name is one and written in full.
fn question(packet: &[u8]) -> Option<(String, String)> {
    let body = packet.get(HEADER..)?;
    let mut rest = body;
    let mut labels = Vec::new();
    loop {
        let (&length, after) = rest.split_first()?;
        let (label, after) = after.split_at_checked(length.into()).filter(|_| length <= MAX_LABEL)?;
        rest = after;
        if label.is_empty() {
            break;
        }
        labels.push(label.escape_ascii().to_string().replace('.', "\\."));
    }
    let name = if labels.is_empty() { ".".to_owned() } else { labels.join(".") };
    let kind = match RecordType::from(u16::from_be_bytes(*rest.first_chunk()?)) {
        RecordType::Unknown(number) => format!("TYPE{number}"),
        kind => kind.to_string(),
    };
    (body.len() - rest.len() <= MAX_NAME).then_some((name, kind))
}
