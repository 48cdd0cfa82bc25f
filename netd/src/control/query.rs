//! What a container hears to a question of DNS, and why.

use std::{net::IpAddr, sync::Arc};

use netd_model::name::{ContainerId, LinkName};
use serde::{Deserialize, Serialize};

use super::Desk;
use crate::{
    known::Known,
    zones::{self, Served},
};

/// Who asks for what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inquiry {
    /// The container.
    from: ContainerId,
    name: String,
    /// The type of record; A where nothing is said.
    #[serde(rename = "type", default = "a")]
    kind: String,
}

/// What is heard.
#[derive(Debug, Serialize)]
pub(super) struct Heard {
    /// The address and the bridge where it is asked.
    listener: IpAddr,
    link: LinkName,
    /// The address of the container that asks.
    source: IpAddr,
    /// The networks that it sees, each with its domain.
    networks: Vec<String>,
    rule: String,
    /// What says so.
    found: Vec<Found>,
    /// The response code; nothing where upstreams say it.
    status: Option<&'static str>,
    records: Vec<String>,
    negative_ttl: Option<u32>,
    /// Who is asked, in order.
    upstreams: Option<Vec<String>>,
}

/// A container, a record, a domain and the like that says what is heard.
#[derive(Debug, Serialize)]
struct Found {
    what: String,
    name: String,
    /// With its domain, as in `networks`.
    network: Option<String>,
}

impl From<dns::Found> for Found {
    fn from(found: dns::Found) -> Self {
        Self { what: found.what.to_string(), name: found.name, network: found.network.map(|it| it.to_string()) }
    }
}

fn a() -> String {
    "A".to_owned()
}

/// Decides as if the container had asked its first server.
///
/// # Errors
/// No such container has a server, or it is no question.
pub(super) fn answer(desk: &Desk, inquiry: &Inquiry) -> Result<Heard, String> {
    let known = desk.known.load_full();
    let Known { snapshot, .. } = &*known;
    let served = zones::served(&known, &desk.boot);
    let of_container = snapshot.attachments.values().filter(|it| it.id.container == inquiry.from);
    let place = of_container.filter(|it| zones::is_served(it, &desk.boot)).find_map(|it| {
        let names = it.names()?;
        let listen = names.listen.first()?;
        let source = names.addresses.iter().find(|address| address.is_ipv4() == listen.address.is_ipv4())?;
        Some((listen.clone(), *source))
    });
    let missing = || format!("container {} asks no server of ours, see `netd show names`", inquiry.from);
    let (listen, source) = place.ok_or_else(missing)?;
    let is_there = |served: &&Served| served.listen.contains(&listen);
    let listener: Vec<_> = served.iter().filter(is_there).map(|served| served.network.id.clone()).collect();
    let Inquiry { name, kind, .. } = inquiry;
    let zones: Arc<dns::Zones> = desk.server.zones();
    let said = zones.explain(dns::Inquiry { listener: &listener, source, name, kind });
    let said = said.map_err(|error| error.to_string())?;
    Ok(Heard {
        listener: listen.address,
        link: listen.link,
        source,
        networks: said.networks.iter().map(ToString::to_string).collect(),
        rule: said.rule.to_string(),
        found: said.found.into_iter().map(Found::from).collect(),
        status: said.status,
        records: said.records,
        negative_ttl: said.negative_ttl,
        upstreams: said.upstreams.map(|it| desk.server.upstreams(&it).iter().map(ToString::to_string).collect()),
    })
}
