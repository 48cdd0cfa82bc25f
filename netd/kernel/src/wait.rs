//! Waits for what the kernel does later: by its events, never by sleep.

use std::time::{Duration, Instant};

use netd_model::{name::LinkName, object::Side};

use crate::{
    error::Error,
    events::ready,
    kernel::{Kernel, Space},
    wire::{Notices, Protocol},
};

const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV6_IFADDR: u32 = 9;

impl Kernel {
    /// Waits until packets pass by an interface (`operstate UP`), for at most `limit`.
    ///
    /// # Errors
    /// [`Error::Late`] when they do not.
    pub fn wait_up(&mut self, side: Side, name: &LinkName, limit: Duration) -> Result<(), Error> {
        self.space(side).wait(RTNLGRP_LINK, limit, &format!("wait for {name} to be up"), |space| {
            Ok(space.links([name])?.pop().is_some_and(|found| found.operational))
        })
    }

    /// Waits until every address of an interface can be used: no other host has it.
    ///
    /// # Errors
    /// [`Error::DuplicateAddress`] when another host has one, [`Error::Late`] when that is not known in time.
    pub fn wait_unique(&mut self, side: Side, name: &LinkName, limit: Duration) -> Result<(), Error> {
        let attempt = format!("wait for the addresses of {name} to be known as unique");
        self.space(side).wait(RTNLGRP_IPV6_IFADDR, limit, &attempt, |space| {
            let Some(found) = space.links([name])?.pop() else { return Ok(false) };
            let addresses = space.addresses_of(name, found.index)?;
            match addresses.iter().find(|found| found.duplicate) {
                Some(found) => Err(Error::DuplicateAddress { link: name.to_string(), address: found.address.ip() }),
                None => Ok(!addresses.iter().any(|found| found.tentative)),
            }
        })
    }
}

impl Space {
    /// Asks until `done`, once now and then after each notice of `group`.
    fn wait(
        &mut self,
        group: u32,
        limit: Duration,
        attempt: &str,
        mut done: impl FnMut(&mut Self) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        // A kernel since 6.8 first finishes what is under way when it is asked: mostly this is all.
        if done(self)? {
            return Ok(());
        }
        let deadline = Instant::now() + limit;
        let failed = |source| Error::Io { attempt: attempt.to_owned(), source };
        let mut notices = self.within(|| Notices::open(Protocol::Route, &[group]).map_err(failed))?;
        while !done(self)? {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Late { attempt: attempt.to_owned(), limit });
            }
            ready(&[&notices], left).map_err(failed)?;
            // Lost notices are as good as heard ones.
            notices.read(|_, _, _| {}).map_err(failed)?;
        }
        Ok(())
    }
}
