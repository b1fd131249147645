//! Tasks: work that outlives the connection that began it, and that a shutdown waits for.
use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

/// Counts what runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    running: watch::Sender<usize>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { running: watch::Sender::new(0) }
    }
}

/// Ends the count of one task, however it ends.
struct Running(watch::Sender<usize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

impl Tasks {
    /// Runs `work` to its end, whatever becomes of its caller.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.running.send_modify(|running| *running += 1);
        let running = Running(self.running.clone());
        #[expect(clippy::disallowed_methods, reason = "this is the one place that tasks come from")]
        tokio::spawn(async move {
            work.await;
            drop(running);
        });
    }

    /// How many run.
    pub fn running(&self) -> usize {
        *self.running.borrow()
    }

    /// Waits until none runs; false if that takes longer than `limit`.
    pub async fn idle(&self, limit: Duration) -> bool {
        let mut running = self.running.subscribe();
        let wait = running.wait_for(|running| *running == 0);
        tokio::time::timeout(limit, wait).await.is_ok()
    }
}
