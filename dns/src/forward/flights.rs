//! Questions that are on their way to upstreams: who asks the same meanwhile waits for the same answer.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::response::Response;

#[cfg(test)]
mod tests;

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Landed {
    /// This.
    Answer(Arc<Response>),
    /// Nobody could answer.
    Failure {
        /// The response of one that said so, if there was any.
        said: Option<Arc<Response>>,
        /// Whether somebody could not be asked for reasons of this host.
        is_ours: bool,
    },
}

/// The questions on their way, each by what makes it the same as another.
#[derive(Debug)]
pub(super) struct Flights<K> {
    open: Mutex<HashMap<K, watch::Receiver<Option<Landed>>>>,
}

/// One of them, for who waits.
#[derive(Debug)]
pub(super) struct Flight(watch::Receiver<Option<Landed>>);

/// Ends a flight, also one that is broken off.
struct Landing<K: Eq + Hash> {
    flights: Arc<Flights<K>>,
    key: K,
    sender: watch::Sender<Option<Landed>>,
}

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self { open: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash + Send + 'static> Flights<K> {
    /// The flight that asks this: one that is on its way, else `course` as a task of its own. It does not end with those
    /// who wait.
    pub(super) fn join<F>(self: &Arc<Self>, key: &K, course: impl FnOnce() -> F) -> Flight
    where
        F: Future<Output = Landed> + Send + 'static,
    {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = open.get(key) {
            return Flight(flight.clone());
        }
        let (sender, flight) = watch::channel(None);
        open.insert(key.clone(), flight.clone());
        let landing = Landing { flights: Arc::clone(self), key: key.clone(), sender };
        let course = course();
        tokio::spawn(async move {
            let landed = course.await;
            landing.sender.send_replace(Some(landed));
        });
        Flight(flight)
    }
}

impl Flight {
    /// What becomes of it.
    pub(super) async fn landed(&mut self) -> Landed {
        let landed = self.0.wait_for(Option::is_some).await;
        landed.ok().and_then(|landed| landed.clone()).unwrap_or(Landed::Failure { said: None, is_ours: true })
    }
}

impl<K: Eq + Hash> Drop for Landing<K> {
    fn drop(&mut self) {
        self.flights.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
