//! What a host has of overlay networks, `<run_dir>/overlays/<network>.json`, and what it knows of other hosts,
//! `<run_dir>/peers.json`: written by netd, read by the plugin and by people.

use std::path::PathBuf;

use netd_model::{
    name::NetworkName,
    overlay::{HostLease, KnownPeers, VERSION},
};

use crate::{
    Result, Store,
    file::{self, Document},
};

impl Document for HostLease {
    const KNOWN: u32 = VERSION;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Document for KnownPeers {
    const KNOWN: u32 = VERSION;

    /// 50,000 hosts, each in two networks.
    const LARGEST: u64 = 32 << 20;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Store {
    /// What netd knows of other hosts, `None` where it wrote nothing.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] and [`crate::Error::Newer`] when it cannot be read.
    pub fn known_peers(&self) -> Result<Option<KnownPeers>> {
        file::read(&self.run_dir().join("peers.json"))
    }

    /// Writes what netd knows of other hosts.
    pub fn write_known_peers(&self, peers: &KnownPeers) -> Result<()> {
        file::replace(&self.run_dir().join("peers.json"), peers)
    }

    /// The networks in which the host has a lease.
    pub fn host_leases(&self) -> Result<Vec<NetworkName>> {
        let paths = crate::attachments::entries(&self.run_dir().join("overlays"))?;
        Ok(paths.iter().filter_map(|path| crate::snapshot::network_of(path)).collect())
    }

    /// The host's lease in an overlay network, `None` where netd wrote none.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] and [`crate::Error::Newer`] when there is one that cannot be read.
    pub fn host_lease(&self, network: &NetworkName) -> Result<Option<HostLease>> {
        file::read(&self.host_lease_path(network))
    }

    /// Writes the host's lease, if it differs from the one that is there. netd alone writes it.
    pub fn write_host_lease(&self, lease: &HostLease) -> Result<()> {
        let path = self.host_lease_path(&lease.overlay.name);
        // One that cannot be read is replaced.
        if file::read::<HostLease>(&path).ok().flatten().as_ref() == Some(lease) {
            return Ok(());
        }
        file::replace(&path, lease)
    }

    /// Takes the host's lease back; whether there was one.
    pub fn remove_host_lease(&self, network: &NetworkName) -> Result<bool> {
        file::remove(&self.host_lease_path(network))
    }

    fn host_lease_path(&self, network: &NetworkName) -> PathBuf {
        // Not `with_extension`: a network's name may have dots.
        self.run_dir().join("overlays").join(format!("{network}.{}", file::DOCUMENT))
    }
}

#[cfg(test)]
mod tests {
    use netd_model::overlay::{Mode, Overlay, PORT, Vni};

    use super::*;

    fn lease() -> HostLease {
        let overlay = Overlay {
            name: "lab".parse().unwrap(),
            mode: Mode::Routed,
            subnets: vec!["10.40.0.0/16".parse().unwrap()],
            vni: Vni::of_network("default", "lab"),
            port: PORT,
            masquerade: true,
            domain: None,
            internal: false,
        };
        let subnets = vec!["10.40.1.0/24".parse().unwrap()];
        HostLease { version: VERSION, overlay, subnets, mtu: 1450.try_into().unwrap(), mac: None }
    }

    #[test]
    fn a_lease_is_there_until_it_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let (store, lease) = (Store::open(folder.path()), lease());
        let network = &lease.overlay.name;
        assert_eq!(store.host_lease(network).unwrap(), None);
        store.write_host_lease(&lease).unwrap();
        assert_eq!(store.host_lease(network).unwrap(), Some(lease.clone()));
        assert!(store.remove_host_lease(network).unwrap());
        assert!(!store.remove_host_lease(network).unwrap());
    }

    #[test]
    fn one_that_cannot_be_read_is_an_error_until_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (store, lease) = (Store::open(folder.path()), lease());
        store.write_host_lease(&lease).unwrap();
        std::fs::write(folder.path().join("overlays/lab.json"), "{").unwrap();
        assert!(store.host_lease(&lease.overlay.name).is_err());
        store.write_host_lease(&lease).unwrap();
        assert!(store.host_lease(&lease.overlay.name).unwrap().is_some());
    }
}
