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
use crate::listening::is_redirect;

/// What became of redirects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redirected {
    /// Those of the last round.
    pub(crate) redirects: Arc<State>,
    /// Whether the ruleset leads there now, and nowhere else.
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

    /// False where somebody else changes shared things, or a person works on the network.
    fn redirect(&mut self, job: &Job) -> Outcome<bool> {
        let present = State::clone(&job.redirects);
        let mut observed = self.kernel.observe(present.keys().filter(|key| matches!(key, Key::Program(_))))?;
        for set in [Set::Redirected4, Set::Redirected6] {
            observed.extend(self.kernel.elements_of(set)?.into_iter().map(Object::Element));
        }
        let is_unwanted = |object: &&Object| {
            matches!(object, Object::Element(element) if is_redirect(element)) && present.find(&object.key()).is_none()
        };
        let absent: State = observed.iter().filter(is_unwanted).cloned().collect();
        let desired = Desired { present, absent };
        let mut plan = plan(&desired, &observed);
        if plan.is_empty() {
            return Ok(true);
        }
        let Some(_lock) = self.store.try_lock_shared()? else { return Ok(false) };
        let (paused, count) = (self.paused_bridges(job)?, plan.steps.len());
        plan.steps.retain(|step| bridge(step).is_none_or(|bridge| !paused.contains(bridge)));
        self.kernel.apply(&plan)?;
        for step in &plan.steps {
            tracing::info!(%step, "led to the port where names are served");
        }
        // Who asks on from one port of its own goes where its first question went.
        self.kernel.forget_flows_by(&desired.absent)?;
        self.kernel.forget_flows_before(&desired.present)?;
        Ok(plan.steps.len() == count)
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
