//! Tokio's names, on shuttle's tasks.

pub(crate) use ::tokio::select;

pub(crate) mod sync {
    use std::sync::Arc;

    pub(crate) use ::tokio::sync::{Mutex, watch};
    use shuttle::future::batch_semaphore::{BatchSemaphore, Fairness};

    /// Permits in the order of arrival.
    pub(crate) struct Semaphore(BatchSemaphore);

    pub(crate) struct OwnedSemaphorePermit(Arc<Semaphore>);

    impl Semaphore {
        pub(crate) const MAX_PERMITS: usize = usize::MAX >> 3;

        pub(crate) fn new(permits: usize) -> Self {
            Self(BatchSemaphore::new(permits, Fairness::StrictlyFair))
        }

        pub(crate) async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, ()> {
            self.0.acquire(1).await.map_err(drop)?;
            Ok(OwnedSemaphorePermit(self))
        }

        pub(crate) fn available_permits(&self) -> usize {
            self.0.available_permits()
        }

        pub(crate) fn close(&self) {
            self.0.close();
        }
    }

    impl Drop for OwnedSemaphorePermit {
        fn drop(&mut self) {
            self.0.0.release(1);
        }
    }
}

pub(crate) mod runtime {
    /// A handle of the runtime, which is always there.
    pub(crate) struct Handle;

    impl Handle {
        #[allow(clippy::unnecessary_wraps)]
        pub(crate) fn try_current() -> Result<Self, ()> {
            Ok(Self)
        }

        #[allow(clippy::unused_self)]
        pub(crate) fn spawn<F>(&self, future: F) -> super::task::JoinHandle<F::Output>
        where
            F: Future<Output: Send> + Send + 'static,
        {
            super::task::spawn(future)
        }
    }
}

pub(crate) mod task {
    use std::cell::Cell;

    pub(crate) use shuttle::future::JoinHandle;

    thread_local! {
        /// The number of tasks that run.
        static RUNNING: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts a task until its future is dropped.
    struct Running;

    impl Drop for Running {
        fn drop(&mut self) {
            RUNNING.set(RUNNING.get() - 1);
        }
    }

    pub(crate) fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        RUNNING.set(RUNNING.get() + 1);
        let running = Running;
        shuttle::future::spawn(async move {
            let _running = running;
            future.await
        })
    }

    pub(crate) fn reset() {
        RUNNING.set(0);
    }

    /// Waits until no task runs.
    pub(crate) async fn all_ended() {
        for _ in 0..100_000 {
            if RUNNING.get() == 0 {
                return;
            }
            shuttle::future::yield_now().await;
        }
        panic!("{} tasks never end", RUNNING.get());
    }

    /// Tasks that are stopped with their set.
    pub(crate) struct JoinSet<T>(Vec<JoinHandle<T>>);

    impl<T: Send + 'static> JoinSet<T> {
        pub(crate) fn new() -> Self {
            Self(Vec::new())
        }

        pub(crate) fn spawn(&mut self, future: impl Future<Output = T> + Send + 'static) {
            self.0.push(spawn(future));
        }

        /// The outcome of the last task.
        pub(crate) async fn join_next(&mut self) -> Option<Result<T, shuttle::future::JoinError>> {
            let ended = self.0.last_mut()?.await;
            self.0.pop();
            Some(ended)
        }
    }

    impl<T> JoinSet<T> {
        /// Stops all tasks, and waits until none runs.
        pub(crate) async fn shutdown(&mut self) {
            for task in std::mem::take(&mut self.0) {
                task.abort();
                let _ = task.await;
            }
        }
    }

    impl<T> Drop for JoinSet<T> {
        fn drop(&mut self) {
            for task in &self.0 {
                task.abort();
            }
        }
    }
}

pub(crate) mod time {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    pub(crate) use crate::time::Instant;

    /// The schedule chooses whether a wait ends at its limit. The other waits have none: if only the limit would end a
    /// wait, it is a deadlock.
    pub(crate) async fn timeout<F: Future>(_: Duration, future: F) -> Result<F::Output, ()> {
        let mut left = crate::chance(8).then(|| crate::number(6));
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            match &mut left {
                None => return Poll::Pending,
                Some(0) => return Poll::Ready(Err(())),
                Some(left) => *left -= 1,
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    pub(crate) async fn timeout_at<F: Future>(_: Instant, future: F) -> Result<F::Output, ()> {
        timeout(Duration::ZERO, future).await
    }

    /// Each look of a sleeper advances the clock.
    pub(crate) async fn sleep(duration: Duration) {
        let until = Instant::now() + duration;
        while Instant::now() < until {
            crate::time::advance(Duration::from_millis(100));
            shuttle::future::yield_now().await;
        }
    }
}
