//! Answers a question: from the statistics kept beside the segments where those
//! can answer it, else from all reports of the period.

use super::fold::Fold;
use super::index;
use super::lines::{Counter, bounds};
use super::mapping::Mapping;
use super::question::{Question, Scale, TooManyBuckets};
use super::rows::{Names, Row};
use super::stock::{self, Stock};
use super::table::Table;
use crate::clock::Clock;
use crate::disk::{Disk, DiskError};
use crate::limits::{MAX_PROBLEMS, SIDE_FILES_AT_ONCE, TURN};
use crate::query::source::{self, Unreadable};
use crate::segment::name::SegmentName;
use futures::stream::{self, StreamExt as _};
use std::fmt;
use std::pin::pin;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatsError {
    /// A folder cannot be listed, or a journal not be read.
    Disk(DiskError),
    /// Journals were published faster than they could be read, time and again.
    Restless,
    /// More buckets are asked for than an answer may have.
    TooManyBuckets(TooManyBuckets),
}

impl fmt::Display for StatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatsError::Disk(error) => write!(f, "the data directory cannot be read: {error}"),
            StatsError::Restless => {
                f.write_str("reports are published faster than they can be counted")
            }
            StatsError::TooManyBuckets(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StatsError {}

impl From<DiskError> for StatsError {
    fn from(error: DiskError) -> Self {
        StatsError::Disk(error)
    }
}

/// Answers a question about all that is stored: segments, and journals that are
/// in none of them. Files of statistics that are missing are made, and stored if
/// the disk takes them. Takes turns with other tasks.
///
/// # Errors
/// See [`StatsError`]. Files that cannot be read are named in the answer and
/// otherwise as if they were not there.
pub async fn answer<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    mapping: &Mapping,
    question: &Question,
) -> Result<Table, StatsError> {
    let stock = stock::take(disk, clock, mapping, question).await?;
    let scale = scale(&stock, clock, question)?;
    let mut segments = stock.segments;
    segments.retain(|segment| {
        let (first, last) = bounds(segment);
        scale.period.overlaps(first, last)
    });
    segments.sort_by_key(bounds);
    let journals = stock.journals.into_iter().map(|mut rows| {
        let first = rows.rows().next().map_or(0, |(start, _)| start);
        let (names, rows) = rows.into_parts();
        (first, names, rows)
    });
    let mut journals: Vec<_> = journals.collect();
    journals.sort_by_key(|(first, ..)| std::cmp::Reverse(*first));
    let mut pass = Pass {
        disk,
        clock,
        mapping,
        question,
        fold: Fold::new(scale),
        problems: stock.problems,
    };
    let fingerprint = mapping.fingerprint();
    let loads = stream::iter(&segments).map(|segment| async move {
        match question.is_kept() {
            true => index::load(disk, &index::file_of(fingerprint, segment)).await,
            false => None,
        }
    });
    let mut loads = pin!(loads.buffered(SIDE_FILES_AT_ONCE));
    let mut breathed = clock.monotonic();
    for segment in &segments {
        let begin = bounds(segment).0 / question.grain_ms() * question.grain_ms();
        while let Some((_, names, rows)) = journals.pop_if(|(first, ..)| *first <= begin) {
            pass.absorb(&names, rows);
        }
        pass.fold.pass(begin);
        match loads.next().await.flatten() {
            Some(content) => pass.absorb(&content.names, content.rows),
            None => pass.count(segment).await,
        }
        if clock.monotonic().saturating_sub(breathed) >= TURN {
            clock.breathe().await;
            breathed = clock.monotonic();
        }
    }
    while let Some((_, names, rows)) = journals.pop() {
        pass.absorb(&names, rows);
    }
    Ok(pass.finish())
}

/// The period and its buckets, by what there is.
fn scale<C: Clock>(stock: &Stock, clock: &C, question: &Question) -> Result<Scale, StatsError> {
    let mut span = None;
    let mut reach = |first: u64, last: u64| {
        let (from, to) = span.unwrap_or((first, last));
        span = Some((from.min(first), to.max(last)));
    };
    for segment in &stock.segments {
        let (first, last) = bounds(segment);
        reach(first, last);
    }
    for rows in &stock.journals {
        if let Some((first, last)) = rows.span() {
            reach(first, last);
        }
    }
    let now = clock.wall_ms();
    let (first, last) = span.unwrap_or((now, now));
    let scale = question.scale(first, last);
    scale.map_err(StatsError::TooManyBuckets)
}

/// An answer in the making.
struct Pass<'a, D, C> {
    disk: &'a D,
    clock: &'a C,
    mapping: &'a Mapping,
    question: &'a Question,
    fold: Fold,
    problems: Vec<String>,
}

impl<D: Disk, C: Clock> Pass<'_, D, C> {
    fn absorb(&mut self, names: &Names, rows: impl IntoIterator<Item = (u64, Row)>) {
        for (start, row) in rows {
            self.fold.absorb(start, &row, names);
        }
    }

    /// Counts a segment's reports. Only when it was read to its end, and is what
    /// was published, do they count.
    async fn count(&mut self, segment: &SegmentName) {
        let (disk, clock) = (self.disk, self.clock);
        let counted = if self.question.is_kept() {
            index::make(disk, clock, self.mapping, segment).await
        } else {
            let bounds = bounds(segment);
            let mut counter = Counter::to_answer(self.mapping, self.question, bounds);
            source::read_segment(disk, clock, segment, |line| counter.line(line))
                .await
                .map(|()| counter.rows)
        };
        match counted {
            Ok(rows) => {
                let (names, rows) = rows.into_parts();
                self.absorb(&names, rows);
            }
            // Pruned since it was listed.
            Err(Unreadable::Gone) => {}
            Err(error) => self.problems.push(format!("{segment}: {error}")),
        }
    }

    fn finish(mut self) -> Table {
        let more = self.problems.len().saturating_sub(MAX_PROBLEMS);
        if more > 0 {
            self.problems.truncate(MAX_PROBLEMS);
            self.problems.push(format!("and {more} more files"));
        }
        self.fold
            .finish(self.question.group.to_string(), self.problems)
    }
}
