//! Answers a question: from the statistics kept beside the segments where those
//! can answer it, else from all reports of the period.

use super::fold::Fold;
use super::index;
use super::lines::{Counter, bounds};
use super::mapping::Mapping;
use super::question::{Question, Scale, TooManyBuckets};
use super::roll_up::{self, Part, Source};
use super::side_file::Content;
use super::stock::{self, Stock};
use super::table::Table;
use crate::clock::Clock;
use crate::disk::{Disk, DiskError};
use crate::limits::{MAX_PROBLEMS, SIDE_FILES_AT_ONCE, TURN};
use crate::query::period::Period;
use crate::query::source::{self, Unreadable};
use crate::segment::name::SegmentName;
use futures::stream::{self, StreamExt as _};
use std::collections::HashSet;
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
    /// Statistics are missing, and making them takes longer than the question
    /// may: so many files are left. Those made are kept.
    NotReady(usize),
    /// Only the reports themselves hold the answer, and there are too many: so
    /// many files are left.
    TooMuch(usize),
}

impl fmt::Display for StatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatsError::Disk(error) => write!(f, "the data directory cannot be read: {error}"),
            StatsError::Restless => {
                f.write_str("reports are published faster than they can be counted")
            }
            StatsError::TooManyBuckets(error) => error.fmt(f),
            StatsError::NotReady(left) => {
                write!(
                    f,
                    "the statistics of {left} more files are still being made"
                )
            }
            StatsError::TooMuch(left) => write!(
                f,
                "too many reports are to be read for this: {left} more files after those that \
                 were read; ask for a shorter period, or by host, in whole minutes and without where"
            ),
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
    let parts = parts(stock.segments, question, &scale, clock.wall_ms());
    let journals = stock.journals.into_iter();
    let mut journals: Vec<Content> = journals.map(Content::from).collect();
    let first = |content: &Content| content.rows.first().map_or(0, |(start, _)| *start);
    journals.sort_by_cached_key(|content| std::cmp::Reverse(first(content)));
    let mut pass = Pass {
        disk,
        clock,
        mapping,
        question,
        fold: Fold::new(scale),
        problems: stock.problems,
    };
    let fingerprint = mapping.fingerprint();
    let loads = stream::iter(&parts).map(|part| async move {
        let file = match &part.source {
            Source::Segment(_) if !question.is_kept() => return None,
            Source::Segment(segment) => index::file_of(fingerprint, segment),
            Source::RollUp(roll_up) => roll_up.file(fingerprint),
        };
        index::load(disk, &file).await
    });
    let mut loads = pin!(loads.buffered(SIDE_FILES_AT_ONCE));
    let mut breathed = clock.monotonic();
    let deadline = question.patience.map(|patience| breathed + patience);
    for (done, part) in (1..).zip(&parts) {
        let begin = part.begin_ms(question.grain_ms());
        while let Some(content) = journals.pop_if(|content| first(content) <= begin) {
            pass.absorb(&content, scale.period);
        }
        pass.fold.pass(begin);
        match loads.next().await.flatten() {
            Some(content) => pass.absorb(&content, part.span),
            None => {
                pass.count(part).await;
                let late = deadline.is_some_and(|deadline| clock.monotonic() >= deadline);
                match parts.len() - done {
                    left @ 1.. if late && question.is_kept() => {
                        return Err(StatsError::NotReady(left));
                    }
                    left @ 1.. if late => return Err(StatsError::TooMuch(left)),
                    _ => {}
                }
            }
        }
        if clock.monotonic().saturating_sub(breathed) >= TURN {
            clock.breathe().await;
            breathed = clock.monotonic();
        }
    }
    while let Some(content) = journals.pop() {
        pass.absorb(&content, scale.period);
    }
    Ok(pass.finish())
}

/// What there is to read, by the time it begins.
fn parts(
    mut segments: Vec<SegmentName>,
    question: &Question,
    scale: &Scale,
    now_ms: u64,
) -> Vec<Part> {
    segments.retain(|segment| {
        let (first, last) = bounds(segment);
        scale.period.overlaps(first, last)
    });
    if question.is_kept() {
        return roll_up::parts(&segments, scale, now_ms);
    }
    segments.sort_by_cached_key(bounds);
    let alone = segments.into_iter().map(|segment| Part {
        span: scale.period,
        source: Source::Segment(segment),
    });
    alone.collect()
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
    fn absorb(&mut self, content: &Content, span: Period) {
        for (start, row) in &content.rows {
            if span.contains(*start) {
                self.fold.absorb(*start, row, &content.names);
            }
        }
    }

    /// Counts the reports of a part. Only of segments that were read to their
    /// end, and are what was published, do they count.
    async fn count(&mut self, part: &Part) {
        let (disk, clock, mapping) = (self.disk, self.clock, self.mapping);
        let segment = match &part.source {
            Source::Segment(segment) => segment,
            Source::RollUp(roll_up) => {
                let made = roll_up::make(disk, clock, mapping, roll_up).await;
                self.problems.extend(made.problems);
                return self.absorb(&made.rows.into(), part.span);
            }
        };
        let counted = if self.question.is_kept() {
            index::make(disk, clock, mapping, segment).await
        } else {
            let mut counter = Counter::to_answer(mapping, self.question, bounds(segment));
            source::read_segment(disk, clock, segment, |line| counter.line(line))
                .await
                .map(|()| counter.rows)
        };
        match counted {
            Ok(rows) => self.absorb(&rows.into(), part.span),
            // Pruned since it was listed.
            Err(Unreadable::Gone) => {}
            Err(error) => self.problems.push(format!("{segment}: {error}")),
        }
    }

    fn finish(mut self) -> Table {
        // A segment in several parts is a problem once.
        let mut named = HashSet::new();
        self.problems
            .retain(|problem| named.insert(problem.clone()));
        let more = self.problems.len().saturating_sub(MAX_PROBLEMS);
        if more > 0 {
            self.problems.truncate(MAX_PROBLEMS);
            self.problems.push(format!("and {more} more files"));
        }
        self.fold
            .finish(self.question.group.to_string(), self.problems)
    }
}
