//! Chains of ours that are no part of a program, and what other programs have in theirs for us.

use netd_model::{
    name::{AdminChain, ChainName},
    object::{Admin, Conditions, Object, Opening, State},
};

use super::Asked;
use crate::{
    error::Error,
    kernel::Kernel,
    nft::{anew, program, rule},
    wire::Requests,
};

/// The way of packets to a chain that an operator fills.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WayToAdmin {
    /// Whether policies are asked for: there is the way in.
    pub(crate) has_policies: bool,
    /// Whether they are led to the chain then.
    pub(crate) is_led_to: bool,
}

impl WayToAdmin {
    fn is_whole(self) -> bool {
        self.has_policies && self.is_led_to
    }
}

impl Kernel {
    /// Those that are asked for.
    pub(super) fn chains(&mut self, asked: &Asked<'_>, state: &mut State) -> Result<(), Error> {
        for chain in &asked.conditions {
            state.extend(self.conditions(chain)?.map(Object::Conditions));
        }
        for chain in &asked.admin {
            let is_whole = self.way_to_admin(chain)?.is_whole();
            state.extend(is_whole.then(|| Object::Admin(Admin { chain: (*chain).clone() })));
        }
        for (gate, link) in &asked.openings {
            let opening = Opening { gate: (*gate).clone(), link: (*link).clone() };
            state.extend(self.is_open(&opening)?.then_some(Object::Opening(opening)));
        }
        Ok(())
    }

    /// The chain of this name, if it has our rule and no other: somebody may have flushed it, or have put another in its place,
    /// which has no comment of ours.
    fn conditions(&mut self, chain: &ChainName) -> Result<Option<Conditions>, Error> {
        let found =
            self.rules(chain.as_str(), |body| rule::read_has_comment(chain.as_str(), &anew::comment_of(chain), body))?;
        Ok((found == [true]).then(|| Conditions { chain: chain.clone(), rule: None }))
    }

    /// What there is of the way to the chain of this name: somebody may have flushed it.
    pub(crate) fn way_to_admin(&mut self, chain: &AdminChain) -> Result<WayToAdmin, Error> {
        let mut requests = Requests::new();
        program::get_policies(&mut requests);
        let found = self.nft()?.get(&mut requests, |_, body| program::read(body));
        let found = found.map_err(|fault| Error::at(fault, |_| "nft list table inet netd".to_owned()))?;
        let has_policies = program::are_policies(&found);
        let targets = self.rules(anew::ADMIN, |body| rule::read_target(anew::ADMIN, body))?;
        let is_led_to = targets.iter().any(|target| target == chain.as_str());
        Ok(WayToAdmin { has_policies, is_led_to })
    }

    /// What is read of each rule of a chain of ours.
    fn rules<T>(&mut self, chain: &str, read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Error> {
        let mut requests = Requests::new();
        rule::get_ours(&mut requests, chain);
        let found = self.nft()?.dump(&mut requests, read);
        found.map_err(|fault| Error::at(fault, |_| format!("nft list chain inet netd {chain}")))
    }
}
