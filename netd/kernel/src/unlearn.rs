//! What a VXLAN device learned and is to forget.

use std::net::IpAddr;

use netd_model::name::LinkName;

use crate::{
    error::Error,
    kernel::Kernel,
    rtnetlink::neighbour::{self, Learned, Table},
    wire::Requests,
};

impl Kernel {
    /// Makes a device of the host forget who is at these addresses: what goes there is sent to every host again, until one
    /// answers. What somebody made stays. Nothing where there is no such interface.
    pub fn unlearn(&mut self, name: &LinkName, is_left: impl Fn(IpAddr) -> bool) -> Result<(), Error> {
        let Some(found) = self.host.links([name])?.pop() else { return Ok(()) };
        let mut requests = Requests::new();
        neighbour::get_of(&mut requests, Table::Fdb, found.index);
        let learned = self.host.socket()?.dump(&mut requests, Learned::read);
        let learned = learned.map_err(|fault| Error::at(fault, |_| format!("bridge fdb show dev {name}")))?;
        let mut requests = Requests::new();
        for entry in learned.iter().filter(|entry| is_left(entry.destination())) {
            entry.delete(&mut requests, found.index);
        }
        let deleted = self.host.socket()?.change(&mut requests);
        deleted.map_err(|fault| Error::at(fault, |_| format!("bridge fdb del dev {name}")))
    }
}
