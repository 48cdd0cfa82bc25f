//! What attachments hold together: the last of them takes it away.

use std::time::Instant;

use netd_model::{attachment::AttachmentId, object::State};

use super::{Host, PATIENCE};
use crate::cni::Error;

impl Host {
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
