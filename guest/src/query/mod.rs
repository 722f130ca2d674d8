//! Reads reports back: the question, and its answer a piece at a time.
//!
//! [`source`] shows the lines of journals and segments, [`select`] finds those
//! that come first, a [`Page`] hands them out. Memory is bounded whatever is
//! stored, asked or sent: the places of a page's reports, [`PAGE_BYTES`] of their
//! lines, and one decoder. Lines that do not fit are read again when their turn
//! comes.
//!
//! This module knows the disk, the clock and the stored formats; of HTTP only
//! the names of parameters.

pub mod fields;
pub mod filter;
pub mod gate;
pub mod key;
pub mod period;
mod select;
pub mod source;

#[cfg(test)]
mod tests;

use crate::clock::Clock;
use crate::disk::{Disk, DiskResult};
use crate::limits::{MAX_PROBLEMS, REPORTS_PER_PAGE};
use crate::limits::{MAX_QUOTED_CHARS, MAX_REPORTS_PER_PAGE, PAGE_BYTES, QUERY_TIME};
use crate::report::stamp::rfc3339;
use crate::segment::name::MAX_MS;
use crate::store::Store;
use fields::Fields;
use filter::Filter;
use gate::Place;
use key::{Key, Order};
use period::{Period, parse_moment};
use select::{Bounds, Part, Pass};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

pub use select::Fault;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    period: Period,
    bounds: Bounds,
    order: Order,
    limit: usize,
    after: Option<Key>,
    filter: Filter,
    fields: Fields,
    /// The parameters that a next page is asked with, besides its cursor.
    again: String,
}

impl Question {
    /// Reads the parameters of a URL's query: `since`, `until`, `order`, `limit`,
    /// `cursor`, `where`, `fields`.
    ///
    /// # Errors
    /// The parameter at fault, its value, and what is accepted.
    pub fn parse(query: &str, now_ms: u64) -> Result<Question, String> {
        let mut period = Period::ALL;
        let mut order = Order::default();
        let mut limit = REPORTS_PER_PAGE;
        let mut cursor = None;
        let (mut conditions, mut fields) = (Vec::new(), Vec::new());
        let mut again = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let named = |why| format!("{name}: {why}");
            match &*name {
                "since" => period.since_ms = parse_moment(&value, now_ms).map_err(named)?,
                "until" => period.until_ms = parse_moment(&value, now_ms).map_err(named)?,
                "order" => order = parse_order(&value).map_err(named)?,
                "limit" => limit = parse_limit(&value).map_err(named)?,
                "cursor" => cursor = Some(value.into_owned()),
                "where" => {
                    again.append_pair("where", &value);
                    conditions.push(value);
                }
                "fields" => {
                    again.append_pair("fields", &value);
                    fields.push(value);
                }
                _ => return Err(unknown(&name)),
            }
        }
        let after = cursor.map(|cursor| Key::from_cursor(&cursor, order));
        // Absolute, so that the next page is one of the same period.
        again.append_pair("since", &rfc3339(period.since_ms));
        if period.until_ms <= MAX_MS {
            again.append_pair("until", &rfc3339(period.until_ms));
        }
        if order == Order::Descending {
            again.append_pair("order", "desc");
        }
        again.append_pair("limit", &limit.to_string());
        Ok(Question {
            period,
            bounds: Bounds::of(period),
            order,
            limit,
            after: after.transpose().map_err(|why| format!("cursor: {why}"))?,
            filter: Filter::parse(conditions.iter().map(|text| &**text))
                .map_err(|why| format!("where: {why}"))?,
            fields: Fields::parse(fields.iter().map(|text| &**text))
                .map_err(|why| format!("fields: {why}"))?,
            again: again.finish(),
        })
    }

    /// The query part of the URL of the page after `next`.
    pub fn next_query(&self, next: Key) -> String {
        format!("{}&cursor={}", self.again, next.to_cursor(self.order))
    }
}

fn parse_order(text: &str) -> Result<Order, String> {
    match text {
        "asc" => Ok(Order::Ascending),
        "desc" => Ok(Order::Descending),
        _ => Err(format!("{:?} is no order: give asc or desc", quoted(text))),
    }
}

/// What is more than allowed counts as what is allowed.
fn parse_limit(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|limit| *limit > 0)
        .map(|limit: usize| limit.min(MAX_REPORTS_PER_PAGE))
        .ok_or_else(|| {
            format!(
                "{:?} is no number of reports: give one from 1 to {MAX_REPORTS_PER_PAGE}",
                quoted(text)
            )
        })
}

fn unknown(name: &str) -> String {
    format!(
        "there is no parameter {:?}; there are since, until, order, limit, cursor, where and fields",
        quoted(name)
    )
}

fn quoted(text: &str) -> String {
    text.chars().take(MAX_QUOTED_CHARS).collect()
}

/// The reports of an answer, handed out in order.
pub struct Page<D: Disk, C: Clock> {
    store: Rc<Store<D, C>>,
    question: Question,
    ready: VecDeque<Vec<u8>>,
    /// Reports whose lines are not in memory.
    later: VecDeque<(Key, u32)>,
    next: Option<Key>,
    faults: Vec<Fault>,
    _place: Place,
}

impl<D: Disk, C: Clock> Page<D, C> {
    /// Finds the reports of a page; `place` is held until they are handed out.
    ///
    /// # Errors
    /// If a folder cannot be listed.
    pub async fn find(
        store: Rc<Store<D, C>>,
        question: Question,
        place: Place,
    ) -> DiskResult<Page<D, C>> {
        let pass = Pass {
            store: &store,
            question: &question,
            part: Part::After(question.after, question.limit),
            deadline: store.clock().monotonic() + QUERY_TIME,
        };
        let mut found = pass.run().await?;
        let mut next = found.looked_to;
        if found.keys.len() > question.limit {
            found.keys.pop_last();
            next = found.keys.last_key_value().map(|(key, _)| *key);
        }
        let mut page = Page {
            store,
            question,
            ready: VecDeque::new(),
            later: found.keys.into_iter().collect(),
            next,
            faults: found.faults,
            _place: place,
        };
        for line in found.lines.into_values().take(page.later.len()) {
            page.later.pop_front();
            page.ready.push_back(line);
        }
        Ok(page)
    }

    /// The query part of the URL of the next page, if there is one.
    pub fn next_query(&self) -> Option<String> {
        self.next.map(|next| self.question.next_query(next))
    }

    /// The next report's line, without a line feed.
    pub async fn next_line(&mut self) -> Option<Vec<u8>> {
        while self.ready.is_empty() && !self.later.is_empty() {
            self.read_on().await;
        }
        self.ready.pop_front()
    }

    /// What could not be read; whole when the last line was handed out.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    async fn read_on(&mut self) {
        let mut bytes = 0;
        let mut part = Vec::new();
        while let Some((key, length)) = self.later.pop_front() {
            bytes += length as usize;
            part.push((key, length));
            let following = self.later.front().map_or(0, |(_, length)| *length as usize);
            if bytes + following > PAGE_BYTES {
                break;
            }
        }
        let pass = Pass {
            store: &self.store,
            question: &self.question,
            part: Part::These(&part),
            deadline: Duration::MAX,
        };
        match pass.run().await {
            Ok(found) => {
                self.ready.extend(found.lines.into_values());
                for fault in found.faults {
                    if self.faults.len() < MAX_PROBLEMS && !self.faults.contains(&fault) {
                        self.faults.push(fault);
                    }
                }
            }
            Err(error) => {
                self.later.clear();
                self.faults
                    .push(("the data directory".to_owned(), error.to_string()));
            }
        }
    }
}
