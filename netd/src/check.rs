//! Whether everything is as it should be: what `netd check` finds and what it advises.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use netd_kernel::Kernel;
use netd_model::{
    name::NetworkName,
    overlay::{self, KnownPeer, KnownPeers},
    plan::Plan,
};
use netd_store::{Reader, Snapshot, Store, boot_id};

use crate::{
    cluster, firewall,
    logs::chain,
    look::Look,
    poke, resolv,
    run::RESOLV,
    settings::{Settings, cluster::Store as Kind},
};

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    what: &'static str,
    /// What is wrong, and what to do about it; none where all is well.
    wrong: Option<String>,
}

/// Looks at everything.
pub(crate) fn findings(settings: &Settings) -> Vec<Finding> {
    let store = Store::open(&settings.run_dir);
    let snapshot = Reader::new(store.clone()).read();
    let mut kernel = Kernel::open(None);
    let found = |what, wrong: Result<(), String>| Finding { what, wrong: wrong.err() };
    let mut findings = vec![
        found("daemon", daemon(&settings.run_dir)),
        found("documents", documents(&snapshot)),
        found("nft", nft()),
        found("upstreams", upstreams(settings)),
        found("cluster", cluster(settings, &store)),
    ];
    let look = boot_id().map_err(|error| chain(&error));
    let look =
        look.and_then(|boot| Look::of_host(&store, &snapshot, &boot, &mut kernel).map_err(|error| chain(&error)));
    match look {
        Ok(look) => {
            let of_hosts = devices(&store, &snapshot);
            let of_host = networks(&look, &mut kernel);
            let wrong = [of_host, of_hosts].into_iter().filter_map(Result::err).collect::<Vec<_>>().join("\n");
            findings.push(found("networks", if wrong.is_empty() { Ok(()) } else { Err(wrong) }));
            findings.push(found("firewall", firewall(&look, &mut kernel)));
        }
        Err(error) => findings.push(found("networks", Err(error))),
    }
    findings
}

/// The findings as lines.
pub(crate) fn report(findings: &[Finding]) -> String {
    let line = |finding: &Finding| match &finding.wrong {
        None => format!("{:<10} ok\n", finding.what),
        Some(wrong) => format!("{:<10} {}\n", finding.what, wrong.trim_end().replace('\n', "\n           ")),
    };
    findings.iter().map(line).collect()
}

/// Whether nothing is wrong.
pub(crate) fn is_well(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.wrong.is_none())
}

fn daemon(run_dir: &Path) -> Result<(), String> {
    if poke::is_served(run_dir) {
        Ok(())
    } else {
        Err(format!("netd does not run for {}: systemctl start netd", run_dir.display()))
    }
}

fn documents(snapshot: &Snapshot) -> Result<(), String> {
    let broken: Vec<String> = snapshot.broken.iter().map(|error| chain(error.as_ref())).collect();
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

/// What stands in the files here, and what the daemon found out.
fn cluster(settings: &Settings, store: &Store) -> Result<(), String> {
    let refused = settings.networks.refused.iter().map(ToString::to_string);
    let mut faults: Vec<String> = refused.chain(cluster::faults(settings)).collect();
    let known = store.known_peers().map_err(|error| chain(&error))?;
    if let Some(KnownPeers { peers, errors, .. }) = known.filter(|_| settings.cluster.store != Kind::None) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // A host is there once for each network that it is in.
        for fault in errors.into_iter().chain(peers.iter().filter_map(|peer| of_peer(peer, now))) {
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// What is wrong between a peer and this host, at this second since 1970.
fn of_peer(peer: &KnownPeer, now: u64) -> Option<String> {
    let (host, error) = (&peer.member.host, peer.last_error.as_deref());
    if peer.alive {
        // One that is about a network says by itself which peer it is of.
        return error.map(|it| if it.starts_with("network ") { it.to_owned() } else { format!("peer {host}: {it}") });
    }
    let silent = format!("peer {host} is silent for {} s", now.saturating_sub(peer.since));
    Some(error.map_or_else(|| silent.clone(), |error| format!("{silent}: {error}")))
}

/// The servers that questions for other names are forwarded to.
fn upstreams(settings: &Settings) -> Result<(), String> {
    if !settings.upstreams.is_empty() {
        return Ok(());
    }
    let advice = "name one there, or set `upstreams` in netd.toml";
    match resolv::servers(Path::new(RESOLV)) {
        Ok(servers) if servers.is_empty() => Err(format!("{RESOLV} names no server: {advice}")),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("read {RESOLV}: {error}: {advice}")),
    }
}

/// The program is loaded without being asked; only who has no `nft` must act.
fn nft() -> Result<(), String> {
    if netd_kernel::has_nft() { Ok(()) } else { Err("there is no nft on this host: apt install nftables".to_owned()) }
}

fn networks(look: &Look, kernel: &mut Kernel) -> Result<(), String> {
    let plan = look.plan(kernel).map_err(|error| chain(&error))?;
    let mut wrong = Vec::new();
    if plan != Plan::default() {
        wrong.push(format!("not as recorded; a running netd does this:\n{plan}"));
    }
    if !look.dead.is_empty() {
        wrong.push(format!("{} attachments of dead containers wait to be taken back", look.dead.len()));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Of what leads to other hosts, whether the interface that all of it is on is there: netd alone knows the rest.
fn devices(store: &Store, snapshot: &Snapshot) -> Result<(), String> {
    let leases = store.host_leases().map_err(|error| chain(&error))?;
    let is_missing = |network: &&NetworkName| {
        !snapshot.network(network).paused && netd_kernel::link_index(&overlay::device(network)).is_none()
    };
    let missing = leases.iter().filter(is_missing).map(|network| {
        let device = overlay::device(network);
        format!("overlay network {network}: its interface {device} is not there; a running netd makes it")
    });
    let missing: Vec<String> = missing.collect();
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
}

fn firewall(look: &Look, kernel: &mut Kernel) -> Result<(), String> {
    let chains = kernel.hooked_chains().map_err(|error| chain(&error))?;
    let mut advice: Vec<String> = firewall::advice(&chains, &look.bridges()).collect();
    advice.extend(kernel.held_back(&chains, &look.guarded_links()).map_err(|error| chain(&error))?);
    if advice.is_empty() { Ok(()) } else { Err(advice.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_silent_or_refuses_us_is_a_fault() {
        let peer = |alive: bool, error: Option<&str>| {
            let member = serde_json::json!({"version": 1, "host": "h2", "network": "lab", "vtep": "192.0.2.2",
                "mac": "02:00:00:00:00:02", "subnets": []});
            let peer = serde_json::json!({"member": member, "alive": alive, "since": 92, "containers": 0, "last_error": error});
            of_peer(&serde_json::from_value(peer).unwrap(), 100)
        };
        assert_eq!(peer(true, None), None);
        assert_eq!(peer(false, None).unwrap(), "peer h2 is silent for 8 s");
        let key = "it has another cluster.key";
        assert_eq!(peer(false, Some(key)).unwrap(), format!("peer h2 is silent for 8 s: {key}"));
        assert_eq!(peer(true, Some(key)).unwrap(), format!("peer h2: {key}"));
        let different = "network lab: peer h2 has vni 77, this host vni 78: make them the same";
        assert_eq!(peer(true, Some(different)).unwrap(), different);
    }

    #[test]
    fn each_finding_is_a_line_and_says_what_to_do() {
        let findings = [
            Finding { what: "nft", wrong: None },
            Finding { what: "networks", wrong: Some("not as recorded:\nhost ip link\n".to_owned()) },
        ];
        let expected = "\
nft        ok
networks   not as recorded:
           host ip link
";
        assert_eq!(report(&findings), expected);
        assert!(!is_well(&findings));
        assert!(is_well(&findings[..1]));
    }
}
