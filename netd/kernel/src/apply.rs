//! Takes the steps of a plan. Never: chooses, undoes, or goes on after a failure.
//!
//! Steps of one kind that follow each other go in one write; a transaction where the kernel has transactions.

mod elements;
mod links;
mod moves;
mod openings;
mod taps;

use netd_model::{
    element::{Family, Set},
    object::{Admin, Link, LinkKind, Object, Program, Side},
    plan::{Plan, Step},
};

use crate::{
    error::Error,
    kernel::{Kernel, Space},
    nft::{anew, program},
    sysctl,
};

/// What steps have in common that go in one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Program,
    Elements,
    Sysctls(Side),
    /// Makes interfaces; not with changes in one write, or a change would meet the interface that was in the way.
    NewLinks(Side),
    Changes(Side),
    Tap,
    Move,
    Opening,
}

impl Kernel {
    /// Takes the steps of a plan, in their order, up to the first that fails.
    ///
    /// # Errors
    /// The first failure. Earlier steps are taken, later ones that went to the kernel in the same write may be, too.
    pub fn apply(&mut self, plan: &Plan) -> Result<(), Error> {
        let mut expiring = Vec::new();
        let taken = self.take(plan, &mut expiring);
        // After a failure as well: what was told to expire may stay for ever.
        let settled = self.settle_elements(&expiring);
        taken.and(settled)
    }

    /// The same, but for elements that expire: they are added to `expiring`.
    fn take(&mut self, plan: &Plan, expiring: &mut Vec<Step>) -> Result<(), Error> {
        for steps in plan.steps.chunk_by(|one, next| Kind::of(one) == Kind::of(next)) {
            match steps.first().map(Kind::of) {
                Some(Kind::Program) => steps.iter().try_for_each(|step| self.load(step))?,
                Some(Kind::Elements) if self.expire_elements(steps) => expiring.extend_from_slice(steps),
                Some(Kind::Elements) => self.change_elements(steps)?,
                Some(Kind::Sysctls(side)) => self.space(side).write_sysctls(steps)?,
                Some(Kind::NewLinks(side) | Kind::Changes(side)) => self.change_links(side, steps)?,
                Some(Kind::Tap) => steps.iter().try_for_each(|step| self.add_tap(step))?,
                Some(Kind::Opening) => steps.iter().try_for_each(|step| self.change_opening(step))?,
                Some(Kind::Move) => steps.iter().try_for_each(|step| self.change_place(step))?,
                None => {}
            }
        }
        Ok(())
    }

    /// Loads a program, a chain that asks conditions, or one for an operator.
    fn load(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Add(Object::Program(program)) => self.load_program(step, *program),
            Step::Add(Object::Conditions(conditions)) => {
                let inet = Program { family: Family::Inet, version: Family::Inet.version() };
                let loaded = program::load(inet, &anew::conditions(conditions), || line(step));
                loaded.map_err(|error| match error {
                    Error::Nft { attempt, stderr } => Error::Conditions { attempt, stderr },
                    other => other,
                })
            }
            Step::Add(Object::Admin(Admin { chain })) => {
                let inet = Program { family: Family::Inet, version: Family::Inet.version() };
                // A second rule that leads there would be no harm, and no beauty either.
                let way = self.way_to_admin(chain)?;
                program::load(inet, &anew::admin(chain, way.has_policies, way.is_led_to), || line(step))
            }
            _ => Err(impossible(step, "containers that are not in this plan need it")),
        }
    }

    /// Loads a program over an older one, and anew where sets have another shape than in that: then `nft` refuses it.
    ///
    /// An element that another adds between a look and the load after it is lost. Its document is not, and repair puts it
    /// back.
    fn load_program(&mut self, step: &Step, program: Program) -> Result<(), Error> {
        let family = program.family;
        let load = |text: &str| program::load(program, text, || line(step));
        let loaded = load(&anew::program(family));
        if !matches!(loaded, Err(Error::Nft { .. })) {
            return loaded;
        }
        let besides = program::besides(family, || line(step))?;
        for text in [anew::stand_in, anew::anew] {
            let sets = Set::ALL.into_iter().filter(|set| set.family() == family);
            let elements = sets.map(|set| self.elements_of(set)).collect::<Result<Vec<_>, _>>()?;
            load(&text(family, &besides, &elements.concat()))?;
        }
        load(&anew::program(family))
    }
}

impl Kind {
    fn of(step: &Step) -> Self {
        match step {
            Step::Add(Object::Link(Link { kind: LinkKind::Tap { .. }, .. })) => Self::Tap,
            Step::Add(Object::Link(link)) => Self::NewLinks(link.kind.parent().map_or(link.side, |(side, _)| *side)),
            Step::AddPair(link, _) => Self::NewLinks(link.side),
            Step::Set(link) => Self::Changes(link.side),
            Step::Add(object) | Step::Delete(object) => match object {
                Object::Program(_) | Object::Conditions(_) | Object::Admin(_) => Self::Program,
                Object::Opening(_) => Self::Opening,
                Object::Element(_) => Self::Elements,
                Object::Sysctl(sysctl) => Self::Sysctls(sysctl.side),
                Object::Moved(_) => Self::Move,
                Object::Link(_)
                | Object::Vlan(_)
                | Object::Address(_)
                | Object::Point(_)
                | Object::Neighbour(_)
                | Object::Fdb(_)
                | Object::Route(_)
                | Object::Rule(_)
                | Object::Qdisc(_)
                | Object::Filter(_) => Self::Changes(object.side()),
            },
        }
    }
}

impl Space {
    /// Writes parameters, all in one visit.
    fn write_sysctls(&self, steps: &[Step]) -> Result<(), Error> {
        self.within(|| {
            for step in steps {
                let Step::Add(Object::Sysctl(sysctl)) = step else { return Err(impossible(step, "it has no end")) };
                let failed = |source| Error::Io { attempt: line(step), source };
                sysctl::write(&sysctl.path, &sysctl.value).map_err(failed)?;
            }
            Ok(())
        })
    }
}

fn impossible(step: &Step, reason: &'static str) -> Error {
    Error::Impossible { attempt: line(step), reason }
}

/// The step as its line of the script.
fn line(step: &Step) -> String {
    step.to_string().split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}
