//! Queueing disciplines of an interface, and their filters.

use std::collections::BTreeMap;

use netd_model::{
    name::LinkName,
    object::{Direction, Object, Place, Qdisc, State},
};

use super::Details;
use crate::{
    error::Error,
    kernel::Space,
    rtnetlink::{filter, link, qdisc},
    wire::Requests,
};

impl Space {
    /// Those that are asked for.
    pub(super) fn queues(&mut self, found: &link::Found, asked: Details, state: &mut State) -> Result<(), Error> {
        let name = &found.link.name;
        if asked.queues {
            state.extend(self.qdiscs_of(name, found.index)?.into_iter().map(Object::Qdisc));
        }
        let directions = [(asked.coming, Direction::Ingress), (asked.leaving, Direction::Egress)];
        for (_, direction) in directions.into_iter().filter(|(asked, _)| *asked) {
            self.filters_of(name, found.index, direction, state)?;
        }
        Ok(())
    }

    /// Each by a question of its own: the kernel would tell those of all interfaces.
    fn qdiscs_of(&mut self, name: &LinkName, index: u32) -> Result<Vec<Qdisc>, Error> {
        let side = self.side;
        let mut requests = Requests::new();
        for place in [Place::Root, Place::Filters] {
            qdisc::get(&mut requests, index, place);
        }
        let found = self.socket()?.get(&mut requests, |_, body| qdisc::read(side, name, body));
        let attempt = |_| format!("tc qdisc show dev {name}");
        Ok(found.map_err(|fault| Error::at(fault, attempt))?.into_iter().flatten().collect())
    }

    fn filters_of(
        &mut self,
        name: &LinkName,
        index: u32,
        direction: Direction,
        state: &mut State,
    ) -> Result<(), Error> {
        let mut requests = Requests::new();
        filter::get_of(&mut requests, index, direction);
        let found = self.socket()?.dump(&mut requests, filter::Found::read);
        let attempt = |_| format!("tc filter show dev {name} {}", direction.word());
        // Most lead to the same.
        let mut names = BTreeMap::new();
        for found in found.map_err(|fault| Error::at(fault, attempt))? {
            if let Some(index) = found.target()
                && !names.contains_key(&index)
            {
                names.insert(index, self.name_of(index)?);
            }
            let target = found.target().and_then(|index| names.get(&index).cloned().flatten());
            state.insert(Object::Filter(found.filter(self.side, name, direction, target)));
        }
        Ok(())
    }
}
