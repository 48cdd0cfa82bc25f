//! Elements of sets: one transaction for many.

use netd_model::{object::Object, plan::Step};
use rustix::io::Errno;

use super::{impossible, line};
use crate::{
    error::Error,
    kernel::Kernel,
    nft::{element, transaction},
    wire::{Refusal, Requests},
};

/// How many elements are in one transaction: they must fit in the socket's send buffer
/// (`net.core.wmem_default`, 208 KiB), where one takes at most 256 bytes.
const TRANSACTION: usize = 512;

impl Kernel {
    /// Adds and removes elements.
    pub(super) fn change_elements(&mut self, steps: &[Step]) -> Result<(), Error> {
        steps.chunks(TRANSACTION).try_for_each(|steps| self.transact(steps.iter().collect()))
    }

    /// One transaction. An element that is gone already fails all of it: then the rest is one without it.
    fn transact(&mut self, mut steps: Vec<&Step>) -> Result<(), Error> {
        while !steps.is_empty() {
            let mut unknown = None;
            let mut requests = transaction(|requests| unknown = steps.iter().find(|step| !push(requests, step)));
            if let Some(step) = unknown {
                return Err(impossible(step, "it is no element"));
            }
            let attempt = |index: usize| index.checked_sub(1).and_then(|index| steps.get(index)).or(steps.first());
            let attempt = |index| attempt(index).map(|step| line(step)).unwrap_or_default();
            let refused = self.nft()?.transact(&mut requests).map_err(|fault| Error::at(fault, attempt))?;
            if let Some((index, refusal)) = refused.iter().find(|(index, refusal)| !is_gone(&steps, *index, refusal)) {
                return Err(refusal_of(attempt(*index), *index, refusal.clone()));
            }
            if refused.is_empty() {
                return Ok(());
            }
            let mut index = 0;
            steps.retain(|_| {
                index += 1;
                refused.iter().all(|(refused, _)| *refused != index)
            });
        }
        Ok(())
    }
}

/// False where the step is not about an element.
fn push(requests: &mut Requests, step: &Step) -> bool {
    match step {
        Step::Add(Object::Element(wanted)) => element::add(requests, wanted),
        Step::Delete(Object::Element(unwanted)) => element::delete(requests, &unwanted.key),
        _ => return false,
    }
    true
}

/// Whether the request of this index was to remove what is gone. The first request is the begin of the transaction.
fn is_gone(steps: &[&Step], index: usize, refusal: &Refusal) -> bool {
    let step = index.checked_sub(1).and_then(|index| steps.get(index));
    refusal.errno == Errno::NOENT && matches!(step, Some(Step::Delete(_)))
}

fn refusal_of(attempt: String, index: usize, refusal: Refusal) -> Error {
    match refusal.errno {
        Errno::OPNOTSUPP | Errno::INVAL if index == 0 => Error::MissingFeature { attempt, option: "CONFIG_NF_TABLES" },
        _ => Error::refused(attempt, refusal),
    }
}
