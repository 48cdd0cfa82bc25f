//! What the kernel tells everybody, turned into events: a thread that does nothing but listen.

use std::{io, thread, time::Duration};

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
/// There can be no thread.
pub(crate) fn start(queue: mpsc::Sender<Event>) -> io::Result<()> {
    thread::Builder::new().name("events".to_owned()).spawn(move || {
        while !queue.is_closed() {
            if let Err(error) = listen(&queue) {
                tracing::warn!(error = chain(&error), "changes of the kernel not heard");
                // What was not heard may have happened.
                drop(queue.blocking_send(Event::Kernel));
                thread::sleep(WAIT);
            }
        }
    })?;
    Ok(())
}

fn listen(queue: &mpsc::Sender<Event>) -> Result<(), netd_kernel::Error> {
    let mut events = Events::open()?;
    while !queue.is_closed() {
        if events.next(WAIT)?.is_some() {
            drop(queue.blocking_send(Event::Kernel));
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}
