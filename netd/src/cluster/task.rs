//! A task that ends with its owner.

use std::time::Duration;

use tokio::{task::JoinHandle, time::timeout};

/// A task that is ended when this is dropped.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Task {
    /// Starts it.
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Lets it end by itself, if it does so in time.
    pub(super) async fn end_within(mut self, time: Duration) {
        if timeout(time, &mut self.0).await.is_err() {
            self.stop().await;
        }
    }

    /// Ends it, and returns when it has ended.
    pub(super) async fn stop(mut self) {
        self.0.abort();
        // That it was cancelled is no news.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
