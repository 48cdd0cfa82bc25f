//! Figures for a program that draws them: the text format of Prometheus.
//!
//! They are put together when they are asked for. What is counted meanwhile costs an addition.

use std::{collections::BTreeMap, fmt};

use netd_model::{
    attachment::{Attachment, AttachmentId, Progress},
    health::Health,
};
use prometheus_client::{
    encoding::prometheus_text,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Known;
use crate::{cluster::State, zones};

/// The type of the text.
pub(super) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

type Labels<const N: usize> = [(&'static str, String); N];

/// All figures.
pub(super) fn text(counters: dns::Counters, known: &Known, boot: &str) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("netd");
    registry.register("dns_packets", "Packets over UDP and TCP, by what became of them", packets(counters));
    registry.register("attachments", "Containers in networks of this host", attachments(known));
    registry.register("names", "Names that containers of this host have", names(known, boot));
    registry.register("peers", "Other hosts in networks", peers(known));
    registry.register("attachments_not_healthy", "Containers whose names lead nowhere", not_healthy(known));
    let broken = Gauge::<i64>::default();
    broken.set(signed(known.snapshot.broken.len()));
    registry.register("documents_broken", "Documents and directories that cannot be read", broken);
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

fn packets(counters: dns::Counters) -> Family<Labels<1>, Counter> {
    let dns::Counters { answered, forwarded, cached, stale, failed, refused, ignored } = counters;
    let outcomes = [
        ("answered", answered),
        ("forwarded", forwarded),
        ("cached", cached),
        ("stale", stale),
        ("failed", failed),
        ("refused", refused),
        ("ignored", ignored),
    ];
    let family = Family::<Labels<1>, Counter>::default();
    for (outcome, count) in outcomes {
        family.get_or_create(&[("outcome", outcome.to_owned())]).inc_by(count);
    }
    family
}

fn attachments(known: &Known) -> Family<Labels<2>, Gauge> {
    counted(known.snapshot.attachments.values().map(|attachment| {
        let progress = match attachment.progress {
            Progress::Adding => "adding",
            Progress::Ready => "ready",
            Progress::Deleting => "deleting",
        };
        ([("network", attachment.id.network.to_string()), ("progress", progress.to_owned())], 1)
    }))
}

fn names(known: &Known, boot: &str) -> Family<Labels<1>, Gauge> {
    let served = known.snapshot.attachments.values().filter(|attachment| zones::is_served(attachment, boot));
    let of = |attachment: &Attachment| attachment.names().map_or(0, |names| names.names.len());
    counted(served.map(|attachment| ([("network", attachment.id.network.to_string())], of(attachment))))
}

fn not_healthy(known: &Known) -> Family<Labels<2>, Gauge> {
    let labels =
        |id: &AttachmentId, health: &Health| [("network", id.network.to_string()), ("state", health.to_string())];
    counted(known.sick.iter().map(|(id, health)| (labels(id, health), 1)))
}

fn peers(known: &Known) -> Family<Labels<2>, Gauge> {
    let of_networks = known.view.networks.iter();
    counted(of_networks.flat_map(|(network, of_network)| {
        of_network.peers.values().map(|peer| {
            let state = match peer.state {
                State::Alive => "alive",
                State::Silent => "silent",
            };
            ([("network", network.to_string()), ("state", state.to_owned())], 1)
        })
    }))
}

/// The sums by label.
fn counted<const N: usize>(found: impl Iterator<Item = (Labels<N>, usize)>) -> Family<Labels<N>, Gauge> {
    let mut sums: BTreeMap<Labels<N>, usize> = BTreeMap::new();
    for (labels, count) in found {
        *sums.entry(labels).or_default() += count;
    }
    let family = Family::<Labels<N>, Gauge>::default();
    for (labels, sum) in &sums {
        family.get_or_create(labels).set(signed(*sum));
    }
    family
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
