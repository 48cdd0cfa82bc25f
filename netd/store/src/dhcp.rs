//! Documents of DHCP leases. The keeper writes them; who detaches a container removes them.

use std::path::PathBuf;

use netd_model::{
    attachment::document,
    dhcp::{Family, Lease, VERSION},
    name::{ContainerId, LinkName},
};

use crate::{
    Error, Result, Store,
    attachments::{entries, is_document},
    file::{self, Document},
};

impl Document for Lease {
    const KNOWN: u32 = VERSION;

    /// A server has 64 KiB for all that it says.
    const LARGEST: u64 = 1 << 20;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Store {
    /// The lease of a container's interface, `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Malformed`] and [`Error::Newer`] when there is one that cannot be read.
    pub fn dhcp_lease(&self, container: &ContainerId, ifname: &LinkName, family: Family) -> Result<Option<Lease>> {
        let path = self.dhcp_path(container, ifname, family);
        let Some(lease) = file::read::<Lease>(&path)? else { return Ok(None) };
        let id = &lease.wish.id;
        if (&id.container, &id.ifname, lease.family) == (container, ifname, family) {
            return Ok(Some(lease));
        }
        Err(Error::malformed(&path, &format_args!("it is the lease of {}", id.owner())))
    }

    /// All leases; one that cannot be read is an error in the list.
    pub fn dhcp_leases(&self) -> Vec<Result<Lease>> {
        match entries(&self.dhcp()) {
            Ok(paths) => {
                let documents = paths.iter().filter(|path| is_document(path));
                documents.filter_map(|path| file::read(path).transpose()).collect()
            }
            Err(error) => vec![Err(error)],
        }
    }

    /// Writes or replaces a lease.
    pub fn write_dhcp_lease(&self, lease: &Lease) -> Result<()> {
        let id = &lease.wish.id;
        file::replace(&self.dhcp_path(&id.container, &id.ifname, lease.family), lease)
    }

    /// Removes a lease; whether there was one.
    pub fn remove_dhcp_lease(&self, container: &ContainerId, ifname: &LinkName, family: Family) -> Result<bool> {
        file::remove(&self.dhcp_path(container, ifname, family))
    }

    fn dhcp(&self) -> PathBuf {
        self.run_dir().join("dhcp")
    }

    fn dhcp_path(&self, container: &ContainerId, ifname: &LinkName, family: Family) -> PathBuf {
        let name = format!("{}.{}.{}", document(container, ifname), family.word(), file::DOCUMENT);
        self.dhcp().join(name)
    }
}
