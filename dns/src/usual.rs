//! The usual question, answered without a message being made of it: no allocation, from the packet into the packet to
//! send. What is usual: one question of class IN for A, AAAA, PTR or SRV, with or without a plain OPT, about a name of ours that
//! is there or, below a domain that its source sees, is not.
//!
//! It says nothing of its own. Whatever is not usual gets none from here and goes the way of [`crate::respond`],
//! and what is said here is what that would say, octet by octet, with the same state of the generator.

mod question;
mod services;
mod view;
mod write;

use std::net::IpAddr;

use fastrand::Rng;

use crate::counters::{CountedKind, Tally};
use crate::record::Kind;
use crate::{NetworkId, Origin, Transport, Zones};
use question::Question;
use view::{Listening, Said, View};
use write::Writer;

#[cfg(test)]
mod tests;

/// Octets of the longest response that [`respond_usual`] writes.
pub const LONGEST: usize = 1232;

/// What [`respond`](crate::respond) says to the usual question over UDP, written into `room`: how many octets it has. None
/// where that is to be asked instead, and then what is in `room` means nothing.
pub fn respond_usual(
    zones: &Zones,
    origin: Origin<'_>,
    packet: &[u8],
    rng: &mut Rng,
    room: &mut [u8; LONGEST],
) -> Option<usize> {
    let is_datagram = origin.transport == Transport::Udp;
    let usual = Usual::new(zones, origin.listener).filter(|_| is_datagram)?;
    usual.answer(packet, origin.source, rng, room).map(|written| written.length)
}

/// A response that was written, and what is counted of it.
#[derive(Debug)]
pub(crate) struct Written<'a> {
    /// How many octets it has.
    pub(crate) length: usize,
    /// The type that was asked for.
    pub(crate) kind: CountedKind,
    /// Of the network that the source belongs to.
    pub(crate) tally: &'a Tally,
}

/// Answers the usual question for one listener, from one snapshot.
#[derive(Debug)]
pub(crate) struct Usual<'a> {
    zones: &'a Zones,
    listening: Listening<'a>,
}

impl<'a> Usual<'a> {
    /// None if the listener serves more networks than are usual.
    pub(crate) fn new(zones: &'a Zones, listener: &[NetworkId]) -> Option<Self> {
        Some(Self { zones, listening: Listening::new(zones, listener)? })
    }

    /// Writes the response to a packet that came over UDP into `room`. None if it is unusual: then what is in `room` means
    /// nothing.
    pub(crate) fn answer(
        &self,
        packet: &[u8],
        source: IpAddr,
        rng: &mut Rng,
        room: &mut [u8; LONGEST],
    ) -> Option<Written<'a>> {
        let question = Question::read(packet)?;
        let view = View::new(self.zones, &self.listening, source)?;
        let said = view.answer(&question)?;
        let mut writer = Writer::new(room, &question)?;
        match said {
            Said::Addresses4(mut found) => {
                let ttl = found.ttl;
                let order = found.shuffled(rng, |v4| view.is_near(v4.into()));
                writer.addresses(ttl, order.map(|v4| v4.octets()))?;
            }
            Said::Addresses6(mut found) => {
                let ttl = found.ttl;
                let order = found.shuffled(rng, |v6| view.is_near(v6.into()));
                writer.addresses(ttl, order.map(|v6| v6.octets()))?;
            }
            Said::Services(mut found) => {
                writer.services(found.ttl, found.shuffled(rng))?;
                for target in found.targets() {
                    let (mut v4, mut v6) = view.addresses_of(target)?;
                    writer.more_addresses(target, Kind::A, v4.ttl, v4.sorted().map(|v4| v4.octets()))?;
                    writer.more_addresses(target, Kind::AAAA, v6.ttl, v6.sorted().map(|v6| v6.octets()))?;
                }
            }
            Said::Pointer { name, domain, ttl } => writer.pointer(name, domain, ttl)?,
            Said::NoData(domain) => writer.soa(domain, self.zones.serial())?,
            Said::NxDomain(domain) => {
                writer.deny();
                writer.soa(domain, self.zones.serial())?;
            }
        }
        let length = writer.finish(view.forwards())?;
        Some(Written { length, kind: question.kind.into(), tally: view.tally()? })
    }
}
