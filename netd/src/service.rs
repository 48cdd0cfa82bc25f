//! Who started us, as far as that is systemd.

use sd_notify::NotifyState;

/// Tells it how we are.
pub(crate) fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "service manager not notified");
    }
}
