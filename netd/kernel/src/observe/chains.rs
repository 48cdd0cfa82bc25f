//! Chains of ours that are no part of a program, and what other programs have in theirs for us.

use netd_model::{
    name::{AdminChain, ChainName},
    object::{Admin, Conditions, Object, Opening, State},
};

use super::Asked;
use crate::{
    error::Error,
    kernel::Kernel,
    nft::{anew, rule},
    wire::Requests,
};

impl Kernel {
    /// Those that are asked for.
    pub(super) fn chains(&mut self, asked: &Asked<'_>, state: &mut State) -> Result<(), Error> {
        for chain in &asked.conditions {
            state.extend(self.conditions(chain)?.map(Object::Conditions));
        }
        for chain in &asked.admin {
            state.extend(self.leads_to_admin(chain)?.then(|| Object::Admin(Admin { chain: (*chain).clone() })));
        }
        for (gate, link) in &asked.openings {
            let opening = Opening { gate: (*gate).clone(), link: (*link).clone() };
            state.extend(self.is_open(&opening)?.then_some(Object::Opening(opening)));
        }
        Ok(())
    }

    /// The chain of this name, if it has a rule: somebody may have flushed it.
    fn conditions(&mut self, chain: &ChainName) -> Result<Option<Conditions>, Error> {
        let found = self.rules(chain.as_str(), |_| Some(()))?;
        Ok(found.first().map(|()| Conditions { chain: chain.clone(), rule: None }))
    }

    /// Whether packets come to the chain of this name: somebody may have flushed the way there.
    fn leads_to_admin(&mut self, chain: &AdminChain) -> Result<bool, Error> {
        let targets = self.rules(anew::ADMIN, |body| rule::read_target(anew::ADMIN, body))?;
        Ok(targets.iter().any(|target| target == chain.as_str()))
    }

    /// What is read of each rule of a chain of ours.
    fn rules<T>(&mut self, chain: &str, read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Error> {
        let mut requests = Requests::new();
        rule::get_ours(&mut requests, chain);
        let found = self.nft()?.dump(&mut requests, read);
        found.map_err(|fault| Error::at(fault, |_| format!("nft list chain inet netd {chain}")))
    }
}
