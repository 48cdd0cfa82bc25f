//! Requests: several messages in one buffer, for one write.

use std::ops::Range;

use rustix::io::Errno;

use super::{NLM_F_ACK, NLM_F_REQUEST, aligned};

/// Several requests that go to the kernel in one write.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    bytes: Vec<u8>,
    sent: Vec<Sent>,
}

/// One request: where it starts, and which refusals are as good as success.
#[derive(Debug, Clone, Copy)]
struct Sent {
    start: usize,
    forgiven: &'static [Errno],
}

/// The part of a request after its header: a fixed structure, then attributes.
#[derive(Debug)]
pub(crate) struct Body<'a>(&'a mut Vec<u8>);

impl Requests {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a request of `kind` with a body that `write` fills in.
    pub(crate) fn push(&mut self, kind: u16, flags: u16, write: impl FnOnce(&mut Body<'_>)) {
        self.push_forgiving(kind, flags, &[], write);
    }

    /// Adds a request of which some refusals are as good as success: what it removes is gone already.
    pub(crate) fn push_forgiving(
        &mut self,
        kind: u16,
        flags: u16,
        forgiven: &'static [Errno],
        write: impl FnOnce(&mut Body<'_>),
    ) {
        let start = self.bytes.len();
        self.sent.push(Sent { start, forgiven });
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        // Sequence, given by the socket, and port, given by the kernel.
        self.bytes.extend([0; 8]);
        write(&mut Body(&mut self.bytes));
        let length = u32::try_from(self.bytes.len() - start).expect("invariant: a request is far below 4 GiB");
        put(&mut self.bytes, start, &length.to_ne_bytes());
    }

    pub(crate) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Asks for an answer to the request of this index even if it succeeds.
    pub(crate) fn acknowledge(&mut self, index: usize) {
        if let Some(Sent { start, .. }) = self.sent.get(index).copied() {
            let at = start + 6;
            let flags = self.bytes.get(at..at + 2).and_then(super::u16_of).unwrap_or_default();
            put(&mut self.bytes, at, &(flags | NLM_F_ACK).to_ne_bytes());
        }
    }

    /// Whether this refusal of the request of this index is as good as success.
    pub(crate) fn forgives(&self, index: usize, errno: Errno) -> bool {
        self.sent.get(index).is_some_and(|sent| sent.forgiven.contains(&errno))
    }

    /// The bytes of the requests of `range`; the request of index 0 has the sequence number `first`.
    pub(super) fn numbered(&mut self, first: u32, range: Range<usize>) -> &[u8] {
        let start_of = |index: usize| self.sent.get(index).map_or(self.bytes.len(), |sent| sent.start);
        let bytes = start_of(range.start)..start_of(range.end);
        let of_start = first.wrapping_add(u32::try_from(range.start).unwrap_or(u32::MAX));
        for (sent, ahead) in self.sent.get(range).unwrap_or_default().iter().zip(0..) {
            put(&mut self.bytes, sent.start + 8, &of_start.wrapping_add(ahead).to_ne_bytes());
        }
        self.bytes.get(bytes).unwrap_or_default()
    }
}

impl Body<'_> {
    /// Adds the bytes of a fixed structure.
    pub(crate) fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self.pad()
    }

    /// Adds an attribute. A value that no attribute can hold is cut; the kernel refuses what is left of it.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let value = value.get(..usize::from(u16::MAX) - 8).unwrap_or(value);
        self.nest(kind, |body| {
            body.0.extend(value);
        })
    }

    pub(crate) fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Text with the zero byte that ends it in C.
    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        self.nest(kind, |body| {
            body.0.extend(value.bytes().take(usize::from(u16::MAX) - 8));
            body.0.push(0);
        })
    }

    /// An attribute whose value is written by `write`: other attributes, mostly.
    pub(crate) fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Body<'_>)) -> &mut Self {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        write(&mut Body(self.0));
        // Cut attributes of attributes would have to be as long as no list of ours is; the kernel refuses the length.
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        put(self.0, start, &length.to_ne_bytes());
        self.pad()
    }

    fn pad(&mut self) -> &mut Self {
        self.0.resize(aligned(self.0.len()), 0);
        self
    }
}

/// Writes over bytes that are there.
fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}
