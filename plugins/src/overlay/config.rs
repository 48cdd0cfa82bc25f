//! The keys of the overlay plugin, and the bridge plugin's configuration that they and the host's lease make.

use netd_model::{
    IpNetwork,
    addr::Mtu,
    overlay::{
        HostLease, Mode, Overlay,
        l2::{self, Share},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cni::{Error, Request, decode::find};

/// What is asked for beyond what the lease says.
#[derive(Debug)]
pub(super) struct Config {
    hairpin: bool,
    mac_spoof_check: bool,
    port_isolation: bool,
    mtu: Option<Mtu>,
    data_dir: Option<String>,
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    hairpin_mode: bool,
    macspoofchk: bool,
    port_isolation: bool,
    mtu: u32,
    data_dir: Option<String>,
}

/// What only the lease may say.
const OF_THE_LEASE: [&str; 6] = ["bridge", "ipam", "ipMasq", "isGateway", "isDefaultGateway", "vlan"];

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// A key that does not fit, or that the host's lease says.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        if let Some(key) = OF_THE_LEASE.into_iter().find(|key| find(request.raw(), key).is_some()) {
            let text = format!("key {key:?} is not the overlay plugin's: netd says it in the network's lease");
            return Err(Error::config(text));
        }
        let keys: Keys = request.config()?;
        if let Some(folder) = keys.data_dir.as_deref().filter(|folder| !folder.is_empty() && !folder.starts_with('/')) {
            let shown: String = folder.chars().take(200).collect();
            return Err(Error::config(format!("key \"dataDir\": {shown} is not an absolute path")));
        }
        let mtu = Some(keys.mtu).filter(|bytes| *bytes != 0).map(Mtu::try_from).transpose();
        Ok(Self {
            hairpin: keys.hairpin_mode,
            mac_spoof_check: keys.macspoofchk,
            port_isolation: keys.port_isolation,
            mtu: mtu.map_err(|error| Error::config(format!("mtu: {error}")))?,
            data_dir: keys.data_dir,
        })
    }

    /// The configuration by which the bridge plugin attaches a container; the rest is as it came.
    pub(super) fn of_bridge(&self, request: &Request, lease: &HostLease) -> Result<Value, Error> {
        let most = lease.mtu;
        if let Some(mtu) = self.mtu.filter(|mtu| *mtu > most) {
            let text = format!("mtu {} is larger than the {} that cross the overlay", u32::from(mtu), u32::from(most));
            return Err(Error::config(text));
        }
        let mut ipam = json!({"type": "host-local", "ranges": ranges(lease)});
        if let Some(folder) = &self.data_dir {
            ipam["dataDir"] = json!(folder);
        }
        let mut config = request.raw().clone();
        for (key, value) in [
            ("type", json!("bridge")),
            ("bridge", json!(lease.overlay.bridge())),
            ("isDefaultGateway", json!(true)),
            ("ipMasq", json!(lease.overlay.masquerade)),
            ("mtu", json!(u32::from(self.mtu.unwrap_or(most)))),
            ("hairpinMode", json!(self.hairpin)),
            ("macspoofchk", json!(self.mac_spoof_check)),
            ("portIsolation", json!(self.port_isolation)),
            ("ipam", ipam),
        ] {
            config[key] = value;
        }
        Ok(config)
    }
}

/// The configuration by which host-local frees addresses, for which it needs no ranges. Whatever else is wrong by now
/// must not keep DEL from freeing what ADD took.
pub(super) fn of_host_local(request: &Request) -> Value {
    let mut config = request.raw().clone();
    config["ipam"] = json!({"type": "host-local"});
    if let Some(folder) = find(request.raw(), "dataDir").filter(|folder| folder.is_string()) {
        config["ipam"]["dataDir"] = folder.clone();
    }
    config
}

/// The addresses that containers of this host may get: of its parts, and in mode `l2` with the prefix of the whole.
fn ranges(HostLease { overlay, subnets, .. }: &HostLease) -> Vec<Value> {
    match overlay.mode {
        Mode::Routed => subnets.iter().map(|subnet| json!([{"subnet": subnet}])).collect(),
        Mode::L2 => {
            let range = |Share { subnet, gateway, first, last, .. }: Share| json!([{"subnet": subnet, "gateway": gateway, "rangeStart": first, "rangeEnd": last}]);
            l2::shares(overlay, subnets).into_iter().map(range).collect()
        }
    }
}

/// Whether the lease can be used: one subnet for each family of the network, within it.
pub(super) fn is_whole(lease: &HostLease) -> bool {
    let Overlay { subnets, .. } = &lease.overlay;
    let is_within = |part: &IpNetwork| subnets.iter().any(|whole| whole.contains(part.ip()));
    !lease.subnets.is_empty() && lease.subnets.iter().all(is_within)
}
