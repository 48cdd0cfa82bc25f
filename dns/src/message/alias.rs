//! Aliases of ours in a response: those before our own records, and those before what upstreams said of their target.

use hickory_proto::op::{Message, Query};
use hickory_proto::rr;

use super::encodable;
use crate::record::Record;

/// A question of the client's, and the aliases that led from its name to the one that upstreams are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    query: Query,
    chain: Vec<rr::Record>,
    failure: Vec<u8>,
}

/// The aliases as records, each owned by the target of the one before; `owner` is what owns the next.
pub(super) fn chain(owner: &mut rr::Name, aliases: &[Record]) -> Vec<rr::Record> {
    let link = |alias: &Record| {
        let target = rr::Name::from_labels(alias.target().labels()).unwrap_or_default();
        encodable(std::mem::replace(owner, target), alias)
    };
    aliases.iter().map(link).collect()
}

impl Alias {
    pub(super) fn new(query: Query, aliases: &[Record], failure: Vec<u8>) -> Self {
        let chain = chain(&mut query.name.clone(), aliases);
        Self { query, chain, failure }
    }

    /// The response to the client's question, of the response to the one that was asked instead: its code is that of the
    /// last name (RFC 6604 3). One that cannot be read is a failure.
    pub(crate) fn tell(&self, response: &[u8], limit: usize) -> Vec<u8> {
        let Ok(mut message) = Message::from_vec(response) else { return self.failure.clone() };
        message.queries = vec![self.query.clone()];
        message.answers.splice(0..0, self.chain.iter().cloned());
        // Nobody signed the alias (RFC 4035 3.2.3).
        message.metadata.authentic_data = false;
        match message.to_vec() {
            Ok(octets) if octets.len() <= limit => octets,
            _ => {
                message.metadata.truncation = true;
                message.answers.clear();
                message.authorities.clear();
                message.additionals.clear();
                message.to_vec().unwrap_or_else(|_| self.failure.clone())
            }
        }
    }
}
