//! Who this host is, and where others reach it.

use std::net::IpAddr;

use netd_kernel::Kernel;
use netd_model::object::Side;
use netd_store::Identity;

use crate::{
    logs::chain,
    settings::{
        Settings,
        cluster::{Place, unusable},
    },
};

/// Its identity, and its address where the settings say how to find that.
pub(super) async fn of_host(settings: &Settings) -> Result<(String, Option<IpAddr>), String> {
    let (state_dir, place) = (settings.state_dir.clone(), settings.host.place.clone());
    let of_host = tokio::task::spawn_blocking(move || {
        let identity = Identity::of(&state_dir).map_err(|error| chain(&error))?;
        let address = match place {
            Some(Place::Address(address)) => Some(address),
            Some(Place::Interface(name)) => {
                let addresses = Kernel::open(None).addresses(Side::Host, &name).map_err(|error| chain(&error))?;
                let usable = addresses.iter().map(ipnetwork::IpNetwork::ip).find(|it| unusable(*it).is_none());
                Some(usable.ok_or_else(|| format!("host.interface = \"{name}\" has no address for other hosts"))?)
            }
            None => None,
        };
        Ok((identity.text().to_owned(), address))
    });
    of_host.await.map_err(|error| error.to_string())?
}
