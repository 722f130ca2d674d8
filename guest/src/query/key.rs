//! The order of reports, and a place in it.
//!
//! Reports are in order of their receive time, and those of one millisecond in
//! order of their ids. A place is where a report stands or could stand, so it
//! stays valid whatever arrives or is pruned.

use crate::report::stamp::{Received, rfc3339};
use std::fmt::Write as _;

/// Which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

const AT_BYTES: usize = 24;
const KEY_BYTES: usize = 60;

/// A place: time and id as they stand in a line, which sort as bytes.
/// In descending order every byte is complemented, so that what comes first is
/// always less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    /// The place after every report, in either order.
    pub const AFTER_ALL: Key = Key([0xff; KEY_BYTES]);

    /// Where a report stands.
    pub fn of(received: &Received<'_>, order: Order) -> Key {
        let mut key = [0; KEY_BYTES];
        key[..AT_BYTES].copy_from_slice(received.at);
        key[AT_BYTES..].copy_from_slice(received.id);
        Key(key).turned(order)
    }

    /// The place before every report received at `ms` or, in descending order,
    /// after every one received later than `ms`.
    pub fn before_all_at(ms: u64, order: Order) -> Key {
        // No id is less than no digits, and none is greater than all of these.
        let fill = match order {
            Order::Ascending => 0,
            Order::Descending => b'~',
        };
        let mut key = [fill; KEY_BYTES];
        let at = rfc3339(ms);
        if at.len() == AT_BYTES {
            key[..AT_BYTES].copy_from_slice(at.as_bytes());
        }
        Key(key).turned(order)
    }

    fn turned(mut self, order: Order) -> Key {
        if order == Order::Descending {
            self.0.iter_mut().for_each(|byte| *byte = !*byte);
        }
        self
    }

    /// As the parameter `cursor`: hexadecimal digits, with a checksum.
    pub fn to_cursor(self, order: Order) -> String {
        let sign = match order {
            Order::Ascending => "a",
            Order::Descending => "d",
        };
        let mut text = String::with_capacity(2 * KEY_BYTES + 9);
        text.push_str(sign);
        for byte in self.0 {
            // Writing into a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        let check = crate::journal::frame::checksum(text.as_bytes());
        let _ = write!(text, "{check:08x}");
        text
    }

    /// Reads what [`Key::to_cursor`] wrote, for a question in this order.
    ///
    /// # Errors
    /// What is wrong.
    pub fn from_cursor(text: &str, order: Order) -> Result<Key, String> {
        let wrong = || "the cursor is not one that was given out; begin without one".to_owned();
        if !text.is_ascii() || text.len() != 2 * KEY_BYTES + 9 {
            return Err(wrong());
        }
        let (body, check) = text.split_at(2 * KEY_BYTES + 1);
        if check != format!("{:08x}", crate::journal::frame::checksum(body.as_bytes())) {
            return Err(wrong());
        }
        let given = match &body[..1] {
            "a" => Order::Ascending,
            "d" => Order::Descending,
            _ => return Err(wrong()),
        };
        if given != order {
            return Err("the cursor is one of the other order; begin without one".to_owned());
        }
        let mut key = [0; KEY_BYTES];
        for (byte, digits) in key.iter_mut().zip(body.as_bytes()[1..].chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Key(key))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::Stamper;

    fn keys(order: Order) -> Vec<Key> {
        let mut stamper = Stamper::new([7; 32]);
        let mut keys = Vec::new();
        for ms in [0, 1_000, 1_795_420_800_123, 1_795_420_800_124] {
            stamper.set_time(ms);
            for _ in 0..3 {
                let line = [stamper.next_prefix(), b"}"].concat();
                keys.push(Key::of(&Received::of(&line).unwrap(), order));
            }
        }
        keys
    }

    #[test]
    fn keys_are_in_the_order_of_time_and_id() {
        let (up, down) = (keys(Order::Ascending), keys(Order::Descending));
        assert!(up.is_sorted() && down.iter().rev().is_sorted());
        let start = Key::before_all_at(1_795_420_800_123, Order::Ascending);
        assert!(up[5] < start && start < up[6]);
        let start = Key::before_all_at(1_795_420_800_123, Order::Descending);
        assert!(down[9] < start && start < down[8]);
    }

    #[test]
    fn a_cursor_is_read_back_and_no_other_text_is() {
        for order in [Order::Ascending, Order::Descending] {
            for key in keys(order) {
                let cursor = key.to_cursor(order);
                assert_eq!(Key::from_cursor(&cursor, order), Ok(key));
                let other = cursor.replacen(&cursor[1..3], "zz", 1);
                let longer = format!("{cursor}0");
                for text in ["", "a", &cursor[1..], &other, &longer, "é"] {
                    assert!(Key::from_cursor(text, order).is_err(), "{text}");
                }
            }
        }
        let cursor = keys(Order::Ascending)[0].to_cursor(Order::Ascending);
        let error = Key::from_cursor(&cursor, Order::Descending).unwrap_err();
        assert!(error.contains("other order"), "{error}");
    }
}
