//! Virtual time: it moves only when nothing else can.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// When, and which of those set for the same moment.
type Key = (Duration, u64);

#[derive(Default)]
struct State {
    now: Duration,
    set: u64,
    waiting: BTreeMap<Key, Waker>,
}

/// The timers of one executor. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Timers(Rc<RefCell<State>>);

impl Timers {
    pub(super) fn now(&self) -> Duration {
        self.0.borrow().now
    }

    pub(super) fn sleep(&self, duration: Duration) -> Sleep {
        Sleep {
            timers: self.clone(),
            due: self.now().saturating_add(duration),
            key: None,
        }
    }

    /// Goes to the next moment somebody waits for and wakes all who do. False if
    /// nobody waits.
    pub(super) fn advance(&self) -> bool {
        let mut state = self.0.borrow_mut();
        let Some(((due, _), first)) = state.waiting.pop_first() else {
            return false;
        };
        state.now = due;
        first.wake();
        while let Some(entry) = state.waiting.first_entry() {
            if entry.key().0 > due {
                break;
            }
            entry.remove().wake();
        }
        true
    }
}

/// Waits for a moment in virtual time. Dropping it takes the timer back.
pub struct Sleep {
    timers: Timers,
    due: Duration,
    key: Option<Key>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let timers = self.timers.clone();
        let mut state = timers.0.borrow_mut();
        let key = match self.key {
            Some(key) if !state.waiting.contains_key(&key) => return Poll::Ready(()),
            Some(key) => key,
            None => {
                state.set += 1;
                (self.due, state.set)
            }
        };
        state.waiting.insert(key, context.waker().clone());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.timers.0.borrow_mut().waiting.remove(&key);
        }
    }
}
