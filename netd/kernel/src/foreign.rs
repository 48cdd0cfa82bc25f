//! What another program left in tables of its own: looked at and removed for whoever knows whose it is.

use std::net::IpAddr;

use rustix::io::Errno;

use crate::{
    error::Error,
    kernel::Kernel,
    nft::{
        chain,
        rule::{self, ForeignChain, ForeignRule},
        transaction,
    },
    wire::Requests,
};

impl Kernel {
    /// Whether there is such a chain.
    pub fn has_foreign_chain(&mut self, wanted: &ForeignChain) -> Result<bool, Error> {
        let mut requests = Requests::new();
        chain::get_of(&mut requests, wanted.family(), &wanted.table, &wanted.name);
        let found = self.nft()?.get(&mut requests, |_, _| Some(()));
        let found = found.map_err(|fault| Error::at(fault, |_| attempt("list", wanted)))?;
        Ok(found.into_iter().flatten().next().is_some())
    }

    /// The rules of a chain; none where there is no such chain.
    pub fn foreign_rules(&mut self, chain: &ForeignChain) -> Result<Vec<ForeignRule>, Error> {
        let mut requests = Requests::new();
        rule::get_all(&mut requests, chain);
        let found = self.nft()?.dump(&mut requests, |body| rule::read(chain, body));
        found.map_err(|fault| Error::at(fault, |_| attempt("list", chain)))
    }

    /// Those that are about one address alone.
    pub fn foreign_rules_of(&mut self, chain: &ForeignChain, address: IpAddr) -> Result<Vec<ForeignRule>, Error> {
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let mut requests = Requests::new();
        rule::get_all(&mut requests, chain);
        let is_of = |body: &&[u8]| rule::compares(body, address, whole);
        let found =
            self.nft()?.dump(&mut requests, |body| Some(body).filter(is_of).and_then(|it| rule::read(chain, it)));
        found.map_err(|fault| Error::at(fault, |_| attempt("list", chain)))
    }

    /// Removes rules and then a chain with all its rules, together or not at all; false where some of it was removed by
    /// another meanwhile.
    pub fn remove_foreign(&mut self, rules: &[ForeignRule], chain: Option<&ForeignChain>) -> Result<bool, Error> {
        let Some(first) = rules.first().map(|rule| &rule.chain).or(chain) else { return Ok(true) };
        let mut requests = transaction(|requests| {
            for rule in rules {
                rule::delete(requests, rule);
            }
            if let Some(chain) = chain {
                rule::delete_chain(requests, chain);
            }
        });
        let refused = self.nft()?.transact(&mut requests);
        let refused = refused.map_err(|fault| Error::at(fault, |_| attempt("delete", first)))?;
        let is_whole = refused.is_empty();
        match refused.into_iter().find(|(_, refusal)| refusal.errno != Errno::NOENT) {
            Some((_, refusal)) => Err(Error::refused(attempt("delete", first), refusal)),
            None => Ok(is_whole),
        }
    }
}

fn attempt(verb: &str, chain: &ForeignChain) -> String {
    format!("nft {verb} chain {} {} {}", chain.family.word(), chain.table, chain.name)
}
