//! Bounds how many questions an instance works on at once.

use crate::clock::Clock;
use crate::limits::{MAX_QUESTIONS, QUESTION_PATIENCE, QUESTION_PAUSE};
use std::cell::Cell;
use std::rc::Rc;

/// Counts the questions that are being answered.
#[derive(Clone, Debug, Default)]
pub struct Gate(Rc<Cell<u32>>);

/// The right to work on a question, given back when dropped.
#[derive(Debug)]
pub struct Place(Rc<Cell<u32>>);

impl Gate {
    /// Waits for a place; `None` if there is none for too long.
    pub async fn enter<C: Clock>(&self, clock: &C) -> Option<Place> {
        let began = clock.monotonic();
        while self.0.get() >= MAX_QUESTIONS {
            if clock.monotonic().saturating_sub(began) >= QUESTION_PATIENCE {
                return None;
            }
            clock.sleep(QUESTION_PAUSE).await;
        }
        self.0.set(self.0.get() + 1);
        Some(Place(Rc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
