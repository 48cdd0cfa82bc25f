//! What attachments hold together: the last of them takes it away.

use std::time::Instant;

use netd_model::{attachment::AttachmentId, object::State};

use super::{Host, PATIENCE};
use crate::cni::Error;

impl Host {
    /// Those of these that are not there, or that attachments hold: what is there and nobody holds is an operator's.
    pub(crate) fn but_operators(&mut self, mut things: State) -> Result<State, Error> {
        if things.is_empty() {
            return Ok(things);
        }
        // Whoever is the last lets go of a thing first, and has the lock until it is gone.
        let _lock = self.store.lock_shared(Instant::now() + PATIENCE)?;
        let observed = self.kernel.observe(things.keys())?;
        things.retain(|thing| observed.find(&thing.key()).is_none() || self.store.is_held(thing));
        Ok(things)
    }

    /// Lets go what an attachment held, and removes what nobody holds any more.
    pub(super) fn let_go(&mut self, id: &AttachmentId, held: &State) -> Result<(), Error> {
        if held.is_empty() {
            return Ok(());
        }
        // Until it is gone nobody may hold it again, or find it.
        let _lock = self.store.lock_shared(Instant::now() + PATIENCE)?;
        let last = self.store.let_go(id, held)?;
        self.remove_objects(last)
    }
}
