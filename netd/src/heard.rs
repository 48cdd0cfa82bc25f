//! What the kernel tells everybody, turned into events: a thread that does nothing but listen.

use std::{thread, time::Duration};

use netd_kernel::Events;
use tokio::sync::mpsc;

use crate::{event::Event, logs::chain};

/// How long it sleeps at most before it sees that nobody wants events any more.
const WAIT: Duration = Duration::from_secs(1);

/// After each event: a verb makes many, and they are one.
const PAUSE: Duration = Duration::from_millis(5);

/// Starts the thread.
///
/// # Errors
/// The kernel refuses the subscription, or there can be no thread.
pub(crate) fn start(queue: mpsc::Sender<Event>) -> anyhow::Result<()> {
    let mut events = Events::open()?;
    thread::Builder::new().name("events".to_owned()).spawn(move || {
        while !queue.is_closed() {
            match events.next(WAIT) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    if queue.blocking_send(Event::Kernel).is_err() {
                        return;
                    }
                    thread::sleep(PAUSE);
                }
                Err(error) => {
                    // The timer looks without being told.
                    tracing::warn!(error = chain(&error), "changes of the kernel not heard");
                    thread::sleep(WAIT);
                }
            }
        }
    })?;
    Ok(())
}
