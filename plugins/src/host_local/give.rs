//! ADD: which address of each range set, in the reference's order and words (`backend/allocator/allocator.go`).

use std::net::IpAddr;

use netd_store::lease::{Holder, Owner, RangeSet, Session};

use super::{Config, Stale};
use crate::cni::{Error, Kind, result::Ip};

/// An ADD with the folder's lock.
pub(super) struct Giving<'a> {
    pub(super) session: Session<'a>,
    pub(super) owner: Owner,
    /// Says of a lease whether nobody needs it any more, so that this ADD may have its address.
    pub(super) stale: Stale<'a>,
}

impl Giving<'_> {
    /// An address of each set; after a failure none.
    pub(super) fn all(&mut self, config: &Config) -> Result<Vec<Ip>, Error> {
        let mut given = Vec::new();
        let done = self.each(config, &mut given);
        if done.is_err() {
            for ip in &given {
                // The first failure is the one to tell; DEL, which must follow, frees what remains.
                let _ = self.session.release_this(ip.address.ip(), &Holder::Attachment(self.owner.clone()));
            }
        }
        done.map(|()| given)
    }

    fn each(&mut self, config: &Config, given: &mut Vec<Ip>) -> Result<(), Error> {
        let mut requested = config.requested.clone();
        for (number, set) in config.sets.iter().enumerate() {
            let wanted = requested.iter().position(|address| set.range_for(*address).is_some());
            let wanted = wanted.map(|position| requested.remove(position));
            let failed = |error: Error| error.context(format_args!("failed to allocate for range {number}"));
            given.push(self.one(set, number, wanted).map_err(failed)?);
        }
        if requested.is_empty() {
            return Ok(());
        }
        let left: Vec<String> = requested.iter().map(IpAddr::to_string).collect();
        Err(Error::config(format!("failed to allocate all requested IPs: {}", left.join(" "))))
    }

    fn one(&mut self, set: &RangeSet, number: usize, wanted: Option<IpAddr>) -> Result<Ip, Error> {
        self.refuse_duplicate(set)?;
        let address = match wanted {
            Some(address) => self.requested(set, number, address)?,
            None => self.next(set, number)?,
        };
        let range = set.range_for(address).ok_or_else(|| full(Kind::TryAgain, set))?;
        Ok(Ip { interface: None, address: range.with_prefix(address), gateway: Some(range.gateway()) })
    }

    /// A second ADD of an attachment that has an address of the set is refused; a stale one is freed.
    fn refuse_duplicate(&mut self, set: &RangeSet) -> Result<(), Error> {
        for held in self.session.held_by(&self.owner)? {
            if set.range_for(held.address).is_none() {
                continue;
            }
            if !(self.stale)(&held) {
                let (address, container) = (held.address, &self.owner.container);
                let text = format!("{address} has been allocated to {container}, duplicate allocation is not allowed");
                return Err(Error::new(Kind::Exists, text));
            }
            self.session.release_this(held.address, &held.holder)?;
        }
        Ok(())
    }

    fn requested(&mut self, set: &RangeSet, number: usize, address: IpAddr) -> Result<IpAddr, Error> {
        let role = match set.range_for(address) {
            Some(range) if range.gateway() == address => Some("gateway"),
            Some(range) if range.is_reserved(address) => Some("broadcast address"),
            _ => None,
        };
        if let Some(role) = role {
            return Err(Error::config(format!("requested ip {address} is subnet's {role}")));
        }
        if self.session.take_this(address, number, &self.owner)? {
            return Ok(address);
        }
        self.session.reclaim(&mut *self.stale)?;
        if self.session.take_this(address, number, &self.owner)? {
            return Ok(address);
        }
        let text = format!("requested IP address {address} is not available in range set {set}");
        Err(Error::new(Kind::TryAgain, text))
    }

    /// The next free address; when there is none, what stale leases and torn files give back.
    fn next(&mut self, set: &RangeSet, number: usize) -> Result<IpAddr, Error> {
        if let Some(address) = self.session.take(set, number, &self.owner)? {
            return Ok(address);
        }
        self.session.reclaim(&mut *self.stale)?;
        self.session.take(set, number, &self.owner)?.ok_or_else(|| full(Kind::TryAgain, set))
    }
}

pub(super) fn full(kind: Kind, set: &RangeSet) -> Error {
    Error::new(kind, format!("no IP addresses available in range set: {set}"))
}
