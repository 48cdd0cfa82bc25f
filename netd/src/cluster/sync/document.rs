//! What a host answers: all of its names, in one document.

use std::{collections::btree_map::Entry, sync::Arc};

use netd_model::{
    name::HostName,
    overlay::{NamesOfHost, VERSION},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cluster::{
    Mtus,
    contact::{Names, Told},
    crossing::Crossings,
};

/// The document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// Another one for each state.
    pub(super) version: u64,
    /// Whose names they are.
    pub(super) host: HostName,
    /// The names, network by network.
    pub(super) networks: Vec<NamesOfHost>,
    /// What crosses each of its networks.
    #[serde(default, skip_serializing_if = "Mtus::is_empty")]
    pub(super) mtus: Mtus,
    /// How packets of each of them cross, by its settings.
    #[serde(default, skip_serializing_if = "Crossings::is_empty")]
    pub(super) crossings: Crossings,
}

/// The version, and what `host` told with it.
///
/// # Errors
/// It is no such document, a newer netd wrote it, or it is another host's.
pub(super) fn parse(bytes: &[u8], host: &HostName) -> Result<(u64, Told), String> {
    let document = serde_json::from_slice::<Document>(bytes).map_err(|error| {
        let newer =
            serde_json::from_slice(bytes).ok().and_then(|value| newest(&value)).filter(|it| *it > VERSION.into());
        newer.map_or_else(|| format!("its names are malformed: {error}"), too_new)
    })?;
    let mut names = Names::new();
    for of_network in document.networks {
        if of_network.version > VERSION {
            return Err(too_new(of_network.version.into()));
        }
        let others = [&document.host, &of_network.host].into_iter().find(|it| *it != host);
        if let Some(other) = others {
            return Err(format!("it says that it is host {other}"));
        }
        match names.entry(of_network.network.clone()) {
            Entry::Occupied(_) => return Err(format!("its names have network {} twice", of_network.network)),
            Entry::Vacant(place) => drop(place.insert(Arc::new(of_network))),
        }
    }
    if document.host != *host {
        return Err(format!("it says that it is host {}", document.host));
    }
    Ok((document.version, Told { names, mtus: document.mtus, crossings: document.crossings }))
}

/// The highest form of the names in a document whose other fields are unknown.
fn newest(document: &Value) -> Option<u64> {
    document.get("networks")?.as_array()?.iter().filter_map(|network| network.get("version")?.as_u64()).max()
}

fn too_new(version: u64) -> String {
    format!("its names have the form {version}, which is newer than {VERSION}: update netd on this host")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(u64, Told), String> {
        parse(text.as_bytes(), &"h2".parse().unwrap())
    }

    #[test]
    fn the_names_of_a_host_are_read_network_by_network() {
        let text = r#"{"version": 7, "host": "h2", "networks": [
            {"version": 1, "host": "h2", "network": "lab", "containers":
                [{"container": "c1", "names": ["web"], "addresses": ["10.40.2.5"], "ttl": 5}]}], "mtus": {"lab": 1450},
            "crossings": {"lab": {"mode": "l2", "vni": 77, "port": 4789}}}"#;
        let network = "lab".parse().unwrap();
        let (version, told) = parsed(text).unwrap();
        let lab = told.names.get(&network).unwrap();
        assert_eq!((version, told.names.len(), lab.containers.len()), (7, 1, 1));
        assert_eq!(told.mtus.get(&network).copied().map(u32::from), Some(1450));
        assert_eq!(told.crossings.len(), 1);
        let (_, told) = parsed(r#"{"version": 7, "host": "h2", "networks": []}"#).unwrap();
        assert_eq!(told, Told::default(), "an older netd");
    }

    #[test]
    fn what_is_not_as_it_must_be_is_refused_as_a_whole_with_the_reason() {
        let lab = r#"{"version": 1, "host": "h2", "network": "lab", "containers": []}"#;
        let of =
            |host: &str, networks: &str| format!(r#"{{"version": 7, "host": "{host}", "networks": [{networks}]}}"#);
        for (bad, words) in [
            ("", "malformed"),
            ("{", "malformed"),
            ("[]", "malformed"),
            ("\u{0}", "malformed"),
            (r#"{"version": -1, "host": "h2", "networks": []}"#, "malformed"),
            (r#"{"version": 7, "host": "../h2", "networks": []}"#, "malformed"),
            (&"[".repeat(100_000), "malformed"),
            (r#"{"version": 7, "host": "h2", "networks": [], "mtus": {"lab": 67}}"#, "MTU 67 is not between"),
            (
                r#"{"version": 7, "host": "h2", "networks": [], "crossings": {"lab": {"mode": "l3", "vni": 7, "port": 1}}}"#,
                "unknown variant `l3`",
            ),
            (&of("h3", ""), "it says that it is host h3"),
            (&of("h2", &lab.replace("h2", "h3")), "it says that it is host h3"),
            (&of("h2", &format!("{lab}, {lab}")), "network lab twice"),
            (&of("h2", &lab.replace('1', "2")), "the form 2, which is newer than 1"),
            (&of("h2", &lab.replace('1', "3").replace("[]", "{}")), "the form 3, which is newer than 1"),
        ] {
            let error = parsed(bad).unwrap_err();
            assert!(error.contains(words), "{bad:.100}: {error}");
        }
    }
}
