//! Timers that are set for each request and hardly ever run out.
//!
//! To set one is to find it a place among all that are set, and to unset it the
//! same again, with a lock each time. To move one to later is one store. So a
//! connection keeps its timers set when it has no use for them, and moves them.
//! One that runs out meanwhile wakes the connection for nothing, as often as a
//! timer is long.

use hyper::rt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep_until};

/// A timer of one connection. Where it is in use, another is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptTimer(Arc<Mutex<Option<Pin<Box<Sleep>>>>>);

impl KeptTimer {
    /// Sets it.
    pub(crate) fn until(&self, deadline: Instant) -> Deadline {
        let kept = self.kept().take();
        let sleep = match kept {
            Some(mut sleep) => {
                sleep.as_mut().reset(deadline.into());
                sleep
            }
            None => Box::pin(sleep_until(deadline.into())),
        };
        Deadline {
            sleep: Some(sleep),
            timer: self.clone(),
        }
    }

    /// What `future` results in, or `None` where that takes longer.
    pub(crate) async fn limit<F: Future>(&self, time: Duration, future: F) -> Option<F::Output> {
        let mut deadline = self.until(Instant::now() + time);
        tokio::select! {
            biased;
            output = future => Some(output),
            () = &mut deadline => None,
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Pin<Box<Sleep>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ready at its time. Dropping it gives the timer back.
#[derive(Debug)]
pub(crate) struct Deadline {
    /// There until it is dropped.
    sleep: Option<Pin<Box<Sleep>>>,
    timer: KeptTimer,
}

impl Future for Deadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(context));
        }
        Poll::Ready(())
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        *self.timer.kept() = self.sleep.take();
    }
}

impl rt::Sleep for Deadline {}

/// For hyper, which sets one timer for each head.
impl rt::Timer for KeptTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(self.until(deadline))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::time::sleep;

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(test);
    }

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(10);

    /// Takes longer than short, and less than long.
    async fn while_it_lasts() -> u8 {
        sleep(3 * SHORT).await;
        7
    }

    #[test]
    fn time_is_up_when_it_is_however_the_timer_was_used_before() {
        run(async {
            let timer = KeptTimer::default();
            for before in [SHORT, LONG, SHORT] {
                // Once given back, and once run out.
                assert_eq!(timer.limit(before, ready(7)).await, Some(7));
                for _ in 0..2 {
                    let begin = Instant::now();
                    assert_eq!(timer.limit(SHORT, pending::<u8>()).await, None);
                    assert!((SHORT..LONG / 2).contains(&begin.elapsed()));
                }
                assert_eq!(timer.limit(LONG, while_it_lasts()).await, Some(7));
            }
        });
    }

    #[test]
    fn a_connection_with_several_requests_has_a_timer_for_each() {
        run(async {
            let timer = KeptTimer::default();
            let both = async {
                tokio::join!(
                    timer.limit(SHORT, pending::<u8>()),
                    timer.limit(LONG, while_it_lasts()),
                )
            };
            assert_eq!(both.await, (None, Some(7)));
        });
    }
}
