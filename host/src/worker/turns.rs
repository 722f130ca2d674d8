//! Lets a thread see to its sockets between two turns of its instance.
//!
//! Work that nobody waits for is cut into slices, after each of which the component
//! gives up control and wants it back at once. The executor gives it back some sixty
//! times before it looks at its sockets: requests would wait for sixty slices.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use tokio::task::yield_now;

/// How long sockets wait at most beyond the turn during which it is over: looking at
/// them costs some microseconds.
const PATIENCE: Duration = Duration::from_micros(1000);

/// Runs `future`. If it wakes itself for longer than that, its next turn comes after
/// the thread has looked at its sockets.
pub(super) async fn taking_turns<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut bell: Option<(Waker, Arc<Bell>)> = None;
    // Since when it has kept waking itself.
    let mut since = None;
    std::future::poll_fn(|context| {
        let bell = match &mut bell {
            Some((outer, bell)) if outer.will_wake(context.waker()) => bell,
            known => {
                let outer = context.waker().clone();
                let bell = Arc::new(Bell::new(outer.clone()));
                &mut known.insert((outer, bell)).1
            }
        };
        let began = *since.get_or_insert_with(Instant::now);
        bell.is_its_turn.store(true, Ordering::Relaxed);
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell))));
        bell.is_its_turn.store(false, Ordering::SeqCst);
        if polled.is_ready() || !bell.rang.swap(false, Ordering::SeqCst) {
            since = None;
        } else if began.elapsed() < PATIENCE {
            context.waker().wake_by_ref();
        } else {
            since = None;
            wake_after_sockets(context);
        }
        polled
    })
    .await
}

/// Wakes when the executor has looked at its sockets.
fn wake_after_sockets(context: &mut Context<'_>) {
    let waking = pin!(yield_now());
    // It is not ready the first time, and has then said whom to wake.
    let _: Poll<()> = waking.poll(context);
}

/// Wakes at once, but for what is having its turn.
struct Bell {
    outer: Waker,
    is_its_turn: AtomicBool,
    /// During its turn.
    rang: AtomicBool,
}

impl Bell {
    fn new(outer: Waker) -> Bell {
        Bell {
            outer,
            is_its_turn: AtomicBool::new(false),
            rang: AtomicBool::new(false),
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Bell>) {
        if self.is_its_turn.load(Ordering::SeqCst) {
            self.rang.store(true, Ordering::SeqCst);
            // Its turn may have ended meanwhile, and nobody looks any more.
            if self.is_its_turn.load(Ordering::SeqCst) {
                return;
            }
        }
        self.outer.wake_by_ref();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::{LocalSet, spawn_local};

    const SLICE: Duration = Duration::from_millis(2);

    /// Wants its turn back at once, for ever.
    async fn busy() {
        loop {
            let began = Instant::now();
            while began.elapsed() < SLICE {
                std::hint::spin_loop();
            }
            let mut given_up = false;
            std::future::poll_fn(|context| {
                if std::mem::replace(&mut given_up, true) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, test)
    }

    /// The median time until what is sent has come back, over a socket whose other
    /// end lives on the same thread.
    async fn echo() -> Duration {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        spawn_local(async move {
            let mut byte = [0];
            while far.read_exact(&mut byte).await.is_ok() {
                far.write_all(&byte).await.unwrap();
            }
        });
        let mut took = Vec::new();
        for _ in 0..9 {
            let began = Instant::now();
            near.write_all(&[7]).await.unwrap();
            near.read_exact(&mut [0]).await.unwrap();
            took.push(began.elapsed());
        }
        took.sort();
        took[4]
    }

    #[test]
    fn sockets_are_looked_at_after_each_turn_of_what_has_much_to_do() {
        let took = run(async {
            let busy = spawn_local(taking_turns(busy()));
            let took = echo().await;
            busy.abort();
            took
        });
        assert!(took < 20 * SLICE, "{took:?} for an echo");
    }

    #[test]
    fn what_is_woken_gets_its_turn_from_wherever_it_is_woken() {
        run(async {
            let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
            std::thread::spawn(move || {
                for n in 0..1_000 {
                    send.send(n).unwrap();
                }
            });
            let all = taking_turns(async {
                for n in 0..1_000 {
                    assert_eq!(receive.recv().await, Some(n));
                }
            });
            tokio::time::timeout(Duration::from_secs(20), all)
                .await
                .unwrap();
        });
    }
}
