//! Writing the response to a usual question.

use super::LONGEST;
use super::question::Question;
use crate::Name;
use crate::header::{AUTHORITATIVE, CHECKING_DISABLED, NAME_ERROR, RECURSION_AVAILABLE, RECURSION_DESIRED, RESPONSE};
use crate::message::{HEADER, INTERVAL, MAX_TTL, MAX_UDP, OPT};
use crate::name::{labels, relative};
use crate::record::{Kind, Srv};
use crate::zone::TTL;

const IN: [u8; 2] = [0, 1];
/// A pointer to the name in the question, RFC 1035 4.1.4.
const OWNER: [u8; 2] = [0xc0, 12];
/// Who is written to about our zones, as [`crate::message`] has it.
const MAILBOX: &[u8] = b"\x06nobody\x07invalid\0";

/// Names that are remembered for compression. Hickory remembers 64 labels; that of the question are at most 40.
const MOST_TARGETS: usize = 8;
const MOST_LABELS: usize = 64;

/// A response that grows.
#[derive(Debug)]
pub(super) struct Writer<'r, 'q> {
    room: &'r mut [u8; LONGEST],
    question: &'q Question<'q>,
    /// Octets that are written, and that may be before OPT.
    end: usize,
    limit: usize,
    answers: u16,
    authorities: u16,
    additional: u16,
    code: u8,
    /// Names in the answers that others are compressed by: where each begins and ends.
    targets: [(usize, usize); MOST_TARGETS],
}

impl<'r, 'q> Writer<'r, 'q> {
    /// Begins with header and question as they came. All that follows is none where it does not fit.
    pub(super) fn new(room: &'r mut [u8; LONGEST], question: &'q Question<'q>) -> Option<Self> {
        let limit = question.limit - question.edns.map_or(0, |_| usize::from(OPT));
        let mut writer = Self {
            room,
            question,
            end: 0,
            limit,
            answers: 0,
            authorities: 0,
            additional: 0,
            code: 0,
            targets: [(0, 0); MOST_TARGETS],
        };
        writer.put(question.start)?;
        Some(writer)
    }

    /// A set of addresses.
    pub(super) fn addresses<const N: usize>(
        &mut self,
        ttl: u32,
        addresses: impl Iterator<Item = [u8; N]>,
    ) -> Option<()> {
        for address in addresses {
            self.record(self.question.kind, ttl, N)?;
            self.put(&address)?;
            self.answers += 1;
        }
        Some(())
    }

    /// Where a service is. Targets are not compressed (RFC 2782), but others are by them.
    pub(super) fn services<'s>(&mut self, ttl: u32, services: impl Iterator<Item = &'s Srv>) -> Option<()> {
        let mut remembered = labels(self.question.spelled).count();
        for (service, place) in services.zip(0..) {
            let target = service.target.octets();
            remembered += labels(target).count();
            self.record(Kind::SRV, ttl, 3 * size_of::<u16>() + target.len() + 1)?;
            let [high, low] = service.port.to_be_bytes();
            self.put(&[0, 0, 0, 0, high, low])?;
            *self.targets.get_mut::<usize>(place)? = (self.end, self.end + target.len());
            self.put(target)?;
            self.put(&[0])?;
            self.answers += 1;
        }
        (remembered <= MOST_LABELS).then_some(())
    }

    /// Addresses of such a target, which nobody asked for.
    pub(super) fn more_addresses<const N: usize>(
        &mut self,
        target: &Name,
        kind: Kind,
        ttl: u32,
        addresses: impl Iterator<Item = [u8; N]>,
    ) -> Option<()> {
        let pointer = self.pointer_to(target.octets())?;
        for address in addresses {
            self.put(&pointer)?;
            self.head(kind, ttl, N)?;
            self.put(&address)?;
            self.additional += 1;
        }
        Some(())
    }

    /// A pointer to the first place where the name stands: in the question, as the client spells it, else in a target.
    fn pointer_to(&self, name: &[u8]) -> Option<[u8; 2]> {
        let asked = (HEADER, HEADER + self.question.spelled.len());
        let places = [asked].into_iter().chain(self.targets.into_iter().filter(|(start, _)| *start > 0));
        let mut found =
            places.filter_map(|(start, end)| Some(start + relative(self.room.get(start..end)?, name)?.len()));
        let [high, low] = u16::try_from(found.next()?).ok()?.to_be_bytes();
        Some([0xc0 | high, low])
    }

    /// The name of an address.
    pub(super) fn pointer(&mut self, name: &[u8], domain: &[u8], ttl: u32) -> Option<()> {
        self.record(Kind::PTR, ttl, name.len() + domain.len() + 1)?;
        self.put(name)?;
        self.put(domain)?;
        self.answers += 1;
        self.put(&[0])
    }

    /// The start of authority of the root, or of a domain that the name in the question ends with.
    pub(super) fn soa(&mut self, domain: &[u8], serial: u32) -> Option<()> {
        let start = HEADER + self.question.spelled.len().checked_sub(domain.len())?;
        let [high, low] = u16::try_from(start).ok()?.to_be_bytes();
        let pointer = [0xc0 | high, low];
        let owner = if domain.is_empty() { &[0][..] } else { &pointer[..] };
        self.put(owner)?;
        self.head(Kind::SOA, TTL, owner.len() + MAILBOX.len() + 5 * size_of::<u32>())?;
        self.put(owner)?;
        self.put(MAILBOX)?;
        self.put(&serial.to_be_bytes())?;
        for _ in ["refresh", "retry", "expire"] {
            self.put(&INTERVAL.to_be_bytes())?;
        }
        self.authorities += 1;
        self.put(&TTL.to_be_bytes())
    }

    /// There is no such name.
    pub(super) fn deny(&mut self) {
        self.code = NAME_ERROR;
    }

    /// Ends with header and OPT; how many octets it has.
    pub(super) fn finish(self, forwards: bool) -> Option<usize> {
        let Self { room, question, mut end, answers, authorities, additional, code, .. } = self;
        let flag = |is: bool, flag| if is { flag } else { 0 };
        let high = RESPONSE | AUTHORITATIVE | flag(question.recursion_desired, RECURSION_DESIRED);
        let low = flag(forwards, RECURSION_AVAILABLE) | flag(question.checking_disabled, CHECKING_DISABLED) | code;
        let ([a0, a1], [b0, b1]) = (answers.to_be_bytes(), authorities.to_be_bytes());
        let [c0, c1] = (additional + u16::from(question.edns.is_some())).to_be_bytes();
        room.get_mut(2..HEADER)?.copy_from_slice(&[high, low, 0, 1, a0, a1, b0, b1, c0, c1]);
        if let Some(wants_dnssec) = question.edns {
            let [size_high, size_low] = MAX_UDP.to_be_bytes();
            let opt = [0, 0, 41, size_high, size_low, 0, 0, flag(wants_dnssec, 0x80), 0, 0, 0];
            room.get_mut(end..end + opt.len())?.copy_from_slice(&opt);
            end += opt.len();
        }
        Some(end)
    }

    /// All of an answer but its data.
    fn record(&mut self, kind: Kind, ttl: u32, length: usize) -> Option<()> {
        self.put(&OWNER)?;
        self.head(kind, ttl, length)
    }

    /// What stands between the owner of a record and its data.
    fn head(&mut self, Kind(kind): Kind, ttl: u32, length: usize) -> Option<()> {
        let ([k0, k1], [t0, t1, t2, t3]) = (kind.to_be_bytes(), ttl.min(MAX_TTL).to_be_bytes());
        let [l0, l1] = u16::try_from(length).ok()?.to_be_bytes();
        self.put(&[k0, k1, IN[0], IN[1], t0, t1, t2, t3, l0, l1])
    }

    fn put(&mut self, octets: &[u8]) -> Option<()> {
        let end = self.end + octets.len();
        let free = self.room.get_mut(self.end..end).filter(|_| end <= self.limit)?;
        free.copy_from_slice(octets);
        self.end = end;
        Some(())
    }
}
