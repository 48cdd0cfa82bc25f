//! Redirects of DNS: where another program has the port of a gateway address, what comes there over the bridge is led to
//! another; and no more when the port is free or the network is gone.

use std::{collections::BTreeSet, sync::Arc};

use netd_model::{
    element::{Element, Part, Set},
    name::{LinkName, NetworkName},
    object::{Key, Object, State},
    plan::{Desired, Step, plan},
};

use super::{Job, Outcome, Worker};
use crate::listening::{Redirects, is_redirect};

/// What became of redirects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redirected {
    /// Those of the last round.
    pub(crate) redirects: Arc<Redirects>,
    /// Whether the ruleset leads nowhere else now.
    pub(crate) is_made: bool,
}

impl Worker {
    /// Makes the redirects be exactly those of the job.
    pub(super) fn see_to_redirects(&mut self, job: &Job) -> Outcome {
        let made = self.redirect(job);
        let is_made = matches!(made, Ok(true));
        self.redirected.send_replace(Redirected { redirects: Arc::clone(&job.redirects), is_made });
        made.map(drop)
    }

    /// False where somebody else changes shared things.
    fn redirect(&mut self, job: &Job) -> Outcome<bool> {
        let Redirects { wanted, ebbing, ended } = &*job.redirects;
        let mut observed = self.kernel.observe(wanted.keys().filter(|key| matches!(key, Key::Program(_))))?;
        for set in [Set::Redirected4, Set::Redirected6] {
            observed.extend(self.kernel.elements_of(set)?.into_iter().map(Object::Element));
        }
        let is_unwanted = |object: &&Object| {
            matches!(object, Object::Element(element) if is_redirect(element)) && wanted.find(&object.key()).is_none()
        };
        let absent: State = observed.iter().filter(is_unwanted).cloned().collect();
        let goes_on = |object: &&Object| ebbing.find(&object.key()) == Some(object);
        let over: State = absent.iter().filter(|object| !goes_on(object)).chain(ended.iter()).cloned().collect();
        let desired = Desired { present: wanted.clone(), absent };
        let mut plan = plan(&desired, &observed);
        if plan.is_empty() && over.is_empty() {
            return Ok(true);
        }
        let Some(_lock) = self.store.try_lock_shared()? else { return Ok(false) };
        let paused = self.paused_bridges(job)?;
        plan.steps.retain(|step| is_permitted(step, &observed, &paused));
        self.kernel.apply(&plan)?;
        for step in &plan.steps {
            tracing::info!(%step, "led to the port where names are served");
        }
        // Who asks on from one port of its own goes where its first question went.
        self.kernel.forget_flows_by(&over)?;
        self.kernel.forget_flows_before(&desired.present)?;
        Ok(true)
    }

    /// Bridges of networks that are paused now.
    fn paused_bridges(&self, job: &Job) -> Outcome<BTreeSet<LinkName>> {
        let mut networks: Vec<&NetworkName> = job.snapshot.attachments.keys().map(|id| &id.network).collect();
        networks.dedup();
        let mut paused = BTreeSet::new();
        for network in networks {
            if self.store.network(network)?.paused {
                let of_network = job.snapshot.attachments.values().filter(|it| it.id.network == *network);
                let listen = of_network.filter_map(|it| it.names()).flat_map(|names| &names.listen);
                paused.extend(listen.map(|listen| listen.link.clone()));
            }
        }
        Ok(paused)
    }
}

/// Whether a step may be taken while people work on the networks of these bridges. Where nothing leads, nothing begins to; but
/// what leads where nobody answers any more is no work of theirs.
fn is_permitted(step: &Step, observed: &State, paused: &BTreeSet<LinkName>) -> bool {
    let mends = match step {
        Step::Delete(_) => true,
        Step::Add(object) => observed.find(&object.key()).is_some(),
        Step::AddPair(..) | Step::Set(_) => false,
    };
    mends || bridge(step).is_none_or(|bridge| !paused.contains(bridge))
}

/// The bridge that a redirect leads from.
fn bridge(step: &Step) -> Option<&LinkName> {
    match step {
        Step::Add(Object::Element(Element { key, .. })) | Step::Delete(Object::Element(Element { key, .. })) => {
            key.parts.iter().find_map(|part| match part {
                Part::Link(link) => Some(link),
                _ => None,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use netd_model::{
        element::Family,
        element::{Data, ElementKey, Transport},
        object::Program,
    };

    use super::*;

    fn led(link: &str, port: u16) -> Object {
        let parts = vec![
            Part::Link(link.parse().unwrap()),
            Part::Ipv4([10, 1, 0, 1].into()),
            Part::Transport(Transport::Udp),
            Part::Port(53),
        ];
        let key = ElementKey { set: Set::Redirected4, parts };
        let data = Some(Data::To([10, 1, 0, 1].into(), port));
        Object::Element(Element { key, data, owner: format!("dns {link}") })
    }

    #[test]
    fn where_people_work_what_leads_nowhere_is_taken_away_and_nothing_new_is_led() {
        let paused = BTreeSet::from(["br-paused".parse().unwrap()]);
        let observed = State::from(vec![led("br-paused", 10_053)]);
        let program = Object::Program(Program { family: Family::Inet, version: Family::Inet.version() });
        for (step, observed, is_permitted_there) in [
            (Step::Delete(led("br-paused", 10_053)), &observed, true),
            (Step::Add(led("br-paused", 10_054)), &observed, true),
            (Step::Add(led("br-paused", 10_053)), &State::default(), false),
            (Step::Add(led("br-web", 10_053)), &State::default(), true),
            (Step::Add(program), &State::default(), true),
        ] {
            assert_eq!(is_permitted(&step, observed, &paused), is_permitted_there, "{step}");
        }
    }
}
