//! Figures for a program that draws them: the text format of Prometheus.
//!
//! They are put together when they are asked for. What is counted meanwhile costs an addition. Labels are networks of this
//! host, and words of which there are few.

use std::{collections::BTreeMap, fmt};

use netd_model::{
    attachment::{Attachment, AttachmentId, Progress},
    health::Health,
};
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet, prometheus_text},
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{cluster::State, known::Known, zones};

/// The type of the text.
pub(super) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

type Labels<const N: usize> = [(&'static str, String); N];

/// How long answers took, by who gave them.
#[derive(Debug)]
struct Durations([(&'static str, dns::Durations); 2]);

/// All figures.
pub(super) fn text(figures: dns::Figures, known: &Known, boot: &str) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("netd");
    of_dns(&mut registry, figures);
    registry.register("attachments", "Containers in networks of this host", attachments(known));
    registry.register("names", "Names that containers of this host have", names(known, boot));
    registry.register("peers", "Other hosts in networks", peers(known));
    registry.register("attachments_not_healthy", "Containers whose names lead nowhere", not_healthy(known));
    registry.register(
        "documents_broken",
        "Documents and directories that cannot be read",
        gauge(known.snapshot.broken.len()),
    );
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

fn of_dns(registry: &mut Registry, figures: dns::Figures) {
    let dns::Figures { networks, here, asked, kept, lost_notes } = figures;
    let dns::Kept { entries, bytes, hits, misses, evictions } = kept;
    registry.register("dns_packets", "Packets over UDP and TCP, by what became of them", packets(&networks));
    let durations = Durations([("here", here), ("upstreams", asked)]);
    let help = "How long answers took; of those that are given here, one batch over UDP in eight is timed";
    registry.register("dns_duration_seconds", help, durations);
    registry.register("dns_cache_entries", "Answers of upstreams that are kept", gauge(entries));
    registry.register("dns_cache_bytes", "What they take, by guess", gauge(bytes));
    registry.register("dns_cache_hits", "Questions that were answered from what is kept", counter(hits));
    registry.register("dns_cache_misses", "Questions that upstreams were to be asked for", counter(misses));
    registry.register("dns_cache_evictions", "Answers that went before their time, for others", counter(evictions));
    registry.register("dns_query_log_lost", "Lines of the query log that were not written", counter(lost_notes));
}

fn packets(
    networks: &BTreeMap<dns::NetworkId, Vec<(dns::CountedKind, dns::Outcome, u64)>>,
) -> Family<Labels<3>, Counter> {
    let family = Family::<Labels<3>, Counter>::default();
    for (id, counts) in networks {
        let network = zones::network_of(id);
        for (kind, outcome, count) in counts {
            let labels = [("network", &*network), ("type", kind.name()), ("outcome", outcome.name())];
            family.get_or_create(&labels.map(|(label, value)| (label, value.to_owned()))).inc_by(*count);
        }
    }
    family
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        for (from, durations) in &self.0 {
            let ranges = durations.ranges.iter();
            let ranges = ranges.map(|&(end, count)| (end.map_or(f64::INFINITY, |end| end.as_secs_f64()), count));
            let ranges: Vec<_> = ranges.collect();
            let labels = [("from", *from)];
            let mut encoder = encoder.encode_family(&labels)?;
            encoder.encode_histogram::<NoLabelSet>(durations.sum.as_secs_f64(), durations.count(), &ranges, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
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

fn gauge(value: impl TryInto<i64>) -> Gauge {
    let gauge = Gauge::<i64>::default();
    gauge.set(signed(value));
    gauge
}

fn counter(value: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(value);
    counter
}

fn signed(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}
