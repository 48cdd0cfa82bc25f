//! What the kernel tells everybody, turned into events: threads that do nothing but listen.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use netd_kernel::{Error, Events};
use tokio::sync::mpsc;

use crate::{event::Event, logs::chain};

/// How long it sleeps at most before it sees that nobody wants events any more.
const WAIT: Duration = Duration::from_secs(1);

/// After each event: a verb makes many, and they are one.
const PAUSE: Duration = Duration::from_millis(5);

/// Starts the thread that hears of interfaces, addresses and rules.
///
/// # Errors
/// There can be no thread.
pub(crate) fn start(queue: mpsc::Sender<Event>) -> io::Result<()> {
    start_with("events", Events::open, queue, || {})
}

/// Starts the thread that hears what breaks overlay networks. What it returns becomes true then, and whenever something
/// may not have been heard.
///
/// # Errors
/// There can be no thread.
pub(crate) fn start_for_overlays(queue: mpsc::Sender<Event>) -> io::Result<Arc<AtomicBool>> {
    let touched = Arc::new(AtomicBool::new(true));
    let touch = Arc::clone(&touched);
    start_with("overlay-events", Events::of_overlays, queue, move || touch.store(true, Ordering::Release))?;
    Ok(touched)
}

fn start_with(
    name: &str,
    open: fn() -> Result<Events, Error>,
    queue: mpsc::Sender<Event>,
    note: impl Fn() + Send + 'static,
) -> io::Result<()> {
    // Before anybody looks: what comes later is heard.
    let mut events = open();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        while !queue.is_closed() {
            if let Err(error) = events.and_then(|events| listen(events, &queue, &note)) {
                tracing::warn!(error = chain(&error), "changes of the kernel not heard");
                // What was not heard may have happened.
                note();
                drop(queue.blocking_send(Event::Kernel));
                thread::sleep(WAIT);
            }
            events = open();
        }
    })?;
    Ok(())
}

fn listen(mut events: Events, queue: &mpsc::Sender<Event>, note: &impl Fn()) -> Result<(), Error> {
    while !queue.is_closed() {
        if events.next(WAIT)?.is_some() {
            note();
            drop(queue.blocking_send(Event::Kernel));
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}
