//! Interfaces of the host that go into a container, and come home.
//!
//! Before one goes it gets a second name, after it came home it loses it: whoever died in between, it is found.

use netd_model::{
    name::LinkName,
    object::{Moved, Object, Side},
    plan::Step,
};
use rustix::io::Errno;

use super::{impossible, line};
use crate::{error::Error, kernel::Kernel, rtnetlink::property, wire::Requests};

impl Kernel {
    /// Takes one step of an interface from one namespace to the other.
    pub(super) fn change_place(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Add(Object::Moved(wanted)) => self.take_in(step, wanted),
            Step::Delete(Object::Moved(found)) => self.bring_home(step, found),
            _ => Err(impossible(step, "it is no move")),
        }
    }

    fn take_in(&mut self, step: &Step, Moved { mark, home, name, .. }: &Moved) -> Result<(), Error> {
        let missing = || Error::NoNamespace { attempt: line(step) };
        let netns = self.netns().map(crate::netns::Netns::descriptor).ok_or_else(missing)?;
        // It may be on the host under another name: one that was on its way.
        let found = self.host.number(mark)?.map_or_else(|| self.host.number(home), |index| Ok(Some(index)))?;
        let index = found.ok_or_else(|| gone(home))?;
        self.host.indexes.remove(home);
        self.container.indexes.remove(name);
        // The alias is where the reference plugin looks for the way home.
        self.tell(Side::Host, step, |requests| {
            property::add_name(requests, index, mark);
            property::rename(requests, index, name, Some(home.as_str()), Some(netns));
        })
    }

    fn bring_home(&mut self, step: &Step, Moved { mark, side, name, home, was_up, .. }: &Moved) -> Result<(), Error> {
        let Some(index) = self.space(*side).number(mark)? else { return Ok(()) };
        self.space(*side).indexes.remove(name);
        self.host.indexes.remove(home);
        let host = if *side == Side::Host { None } else { self.netns().map(crate::netns::Netns::home) };
        self.tell(*side, step, |requests| property::rename(requests, index, home, Some(""), host))?;
        let index = self.host.number(home)?.ok_or_else(|| gone(home))?;
        let is_marked = self.host.number(mark)? == Some(index);
        self.tell(Side::Host, step, |requests| {
            if *was_up {
                property::up(requests, index);
            }
            if is_marked {
                property::delete_name(requests, index, mark);
            }
        })
    }

    fn tell(&mut self, side: Side, step: &Step, write: impl FnOnce(&mut Requests)) -> Result<(), Error> {
        let mut requests = Requests::new();
        write(&mut requests);
        if requests.is_empty() {
            return Ok(());
        }
        self.space(side).socket()?.change(&mut requests).map_err(|fault| Error::at(fault, |_| line(step)))
    }
}

fn gone(name: &LinkName) -> Error {
    Error::Refused { attempt: format!("ip link show dev {name}"), errno: Errno::NODEV, said: String::new() }
}
