//! Queueing disciplines and filters: what they stand on, and what ends with what.

use netd_model::name::LinkName;
use netd_model::object::{Filter, Key, Link, Object, Place, Qdisc, Side, Verdict};

use super::{Errno, MemoryKernel};

impl MemoryKernel {
    /// A filter stands on what has filters, and leads to an interface that is there.
    pub(super) fn filters(&self, container: usize, filter: &Filter) -> Result<(), Errno> {
        self.has_link(container, filter.side, &filter.link)?;
        if let Verdict::Redirect(to) = &filter.verdict {
            self.has_link(container, filter.side, to)?;
        }
        let qdisc = Key::Qdisc(filter.side, filter.link.clone(), Place::Filters);
        self.side(container, filter.side).find(&qdisc).map(|_| ()).ok_or(Errno::Invalid)
    }

    pub(super) fn has_link(&self, container: usize, side: Side, name: &LinkName) -> Result<(), Errno> {
        self.side(container, side).link(side, name).map(|_| ()).ok_or(Errno::NoDevice)
    }

    /// With what has filters go these.
    pub(super) fn end_of_qdisc(&mut self, container: usize, qdisc: &Qdisc) {
        if qdisc.place() == Place::Filters {
            let of_it = |object: &Object| matches!(object, Object::Filter(filter) if filter.link == qdisc.link);
            self.side_mut(container, qdisc.side).retain(|object| !of_it(object));
        }
    }

    /// A filter that leads to an interface outlives it, and leads nowhere.
    pub(super) fn end_of_target(&mut self, container: usize, link: &Link) {
        let gone = Verdict::Redirect(link.name.clone());
        let state = self.side_mut(container, link.side);
        let leading = state.iter().filter_map(|object| match object {
            Object::Filter(filter) if filter.verdict == gone => {
                Some(Object::Filter(Filter { verdict: Verdict::Other, ..filter.clone() }))
            }
            _ => None,
        });
        let leading: Vec<Object> = leading.collect();
        state.extend(leading);
    }
}
