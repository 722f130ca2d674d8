//! Statistics of whole hours and days, made of those of segments, so that a long
//! period costs what is asked for and not what is stored.
//!
//! An hour is kept by minutes, a day by hours. From each segment that has a
//! moment in the span only the rows within it go in, so a segment across a
//! boundary counts once. The file's name has a hash of exactly those segments:
//! one that comes late, or is pruned, changes the name, and the file is made
//! anew. Made is what ended some minutes ago, which saves work; nothing rests on
//! it.
//!
//! A segment longer than two days (a clock that jumped) goes into none and is
//! read by itself: it would ask for any number of hours.

use super::index::{self, Made};
use super::index_name::{IndexFile, Kind, MINUTE_MS, key};
use super::lines::bounds;
use super::mapping::Mapping;
use super::question::Scale;
use super::rows::Rows;
use super::side_file::Content;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::limits::{FEW_SEGMENTS, ROLL_UP_PATIENCE, SIDE_FILES_AT_ONCE};
use crate::query::period::Period;
use crate::query::source::Unreadable;
use crate::segment::name::SegmentName;
use futures::stream::{self, StreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Longest segment that goes into a roll-up, ms.
const LONGEST_MS: u64 = 2 * DAY_MS;

/// An hour or a day, and all segments that have a moment in it, sorted.
#[derive(Clone, Debug)]
pub(super) struct RollUp {
    kind: Kind,
    start_ms: u64,
    segments: Vec<SegmentName>,
}

impl RollUp {
    /// Its file.
    pub(super) fn file(&self, fingerprint: u64) -> IndexFile {
        IndexFile::RollUp {
            kind: self.kind,
            start_ms: self.start_ms,
            key: key(fingerprint, &self.segments),
        }
    }

    fn span(&self) -> Period {
        Period {
            since_ms: self.start_ms,
            until_ms: self.start_ms + self.kind.span_ms(),
        }
    }

    /// Whether a file of it saves anything, now and for long: files to open, or
    /// rows to put together.
    fn is_worth_it(&self, now_ms: u64) -> bool {
        let patience = u64::try_from(ROLL_UP_PATIENCE.as_millis()).unwrap_or(u64::MAX);
        let span = self.span();
        let minutes = |segment: &SegmentName| {
            let (first, last) = bounds(segment);
            let within = last
                .min(span.until_ms)
                .saturating_sub(first.max(span.since_ms));
            within / MINUTE_MS
        };
        let rows = self.kind.span_ms() / self.kind.grain_ms();
        let many = self.segments.len() > FEW_SEGMENTS
            || self.segments.iter().map(minutes).sum::<u64>() > rows * FEW_SEGMENTS as u64;
        many && span.until_ms + patience <= now_ms
    }
}

/// What is read for a part of an answer.
#[derive(Debug)]
pub(super) enum Source {
    /// One segment.
    Segment(SegmentName),
    /// All of a span.
    RollUp(RollUp),
}

/// A part of an answer: of a source the rows that begin in the span.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) span: Period,
    pub(super) source: Source,
}

impl Part {
    /// No row of it begins before.
    pub(super) fn begin_ms(&self, grain_ms: u64) -> u64 {
        match &self.source {
            Source::RollUp(_) => self.span.since_ms,
            Source::Segment(segment) => {
                let first = bounds(segment).0 / grain_ms * grain_ms;
                first.max(self.span.since_ms)
            }
        }
    }
}

/// The segments of each hour, sorted where `segments` are, without those that are
/// too long.
fn hours<'a>(
    segments: impl IntoIterator<Item = &'a SegmentName>,
) -> BTreeMap<u64, Vec<SegmentName>> {
    let mut hours = BTreeMap::<u64, Vec<SegmentName>>::new();
    for segment in segments.into_iter().filter(|segment| !is_long(segment)) {
        let (first, last) = bounds(segment);
        for hour in first / HOUR_MS..=last / HOUR_MS {
            hours.entry(hour * HOUR_MS).or_default().push(*segment);
        }
    }
    hours
}

fn is_long(segment: &SegmentName) -> bool {
    let (first, last) = bounds(segment);
    last - first > LONGEST_MS
}

/// Days, each with its hours.
fn days(hours: BTreeMap<u64, Vec<SegmentName>>) -> BTreeMap<u64, Vec<RollUp>> {
    let mut days = BTreeMap::<u64, Vec<RollUp>>::new();
    for (start_ms, segments) in hours {
        let day = days.entry(start_ms / DAY_MS * DAY_MS).or_default();
        day.push(RollUp {
            kind: Kind::Minutes,
            start_ms,
            segments,
        });
    }
    days
}

fn day_of(start_ms: u64, hours: &[RollUp]) -> RollUp {
    let segments = hours.iter().flat_map(|hour| &hour.segments).copied();
    let mut segments: Vec<_> = segments.collect();
    segments.sort_unstable();
    segments.dedup();
    RollUp {
        kind: Kind::Hours,
        start_ms,
        segments,
    }
}

/// All files of hours and days that there should be, days first.
pub(super) fn all(segments: &[SegmentName], now_ms: u64) -> Vec<RollUp> {
    let days = days(hours(segments));
    let of_days = days.iter().map(|(start, hours)| day_of(*start, hours));
    let of_days: Vec<RollUp> = of_days.collect();
    let of_hours = days.into_values().flatten();
    let all = of_days.into_iter().chain(of_hours);
    all.filter(|roll_up| roll_up.is_worth_it(now_ms)).collect()
}

/// What an answer is put together from, by the time it begins: days, then hours,
/// then segments. `segments` are sorted and have a moment in the period.
pub(super) fn parts(segments: &[SegmentName], scale: &Scale, now_ms: u64) -> Vec<Part> {
    let Scale { period, bucket_ms } = *scale;
    let long = segments.iter().filter(|segment| is_long(segment));
    let mut parts: Vec<Part> = long.map(|segment| alone(*segment, period)).collect();
    let fits = |roll_up: &RollUp| {
        let span = roll_up.span();
        let within = span.since_ms >= period.since_ms && span.until_ms <= period.until_ms;
        within && bucket_ms % roll_up.kind.grain_ms() == 0 && roll_up.is_worth_it(now_ms)
    };
    let whole = |roll_up: RollUp| Part {
        span: roll_up.span(),
        source: Source::RollUp(roll_up),
    };
    let mut pending = Pending::new(period);
    for (start, of_day) in days(hours(segments)) {
        let day = day_of(start, &of_day);
        if fits(&day) {
            parts.push(whole(day));
            continue;
        }
        for hour in of_day {
            match fits(&hour) {
                true => parts.push(whole(hour)),
                false => pending.add(hour, &mut parts),
            }
        }
    }
    pending.settle(&mut parts);
    parts.sort_by_cached_key(|part| part.begin_ms(MINUTE_MS));
    parts
}

fn alone(segment: SegmentName, span: Period) -> Part {
    let source = Source::Segment(segment);
    Part { span, source }
}

/// Hours that follow each other and are read segment by segment.
struct Pending {
    period: Period,
    span: Option<Period>,
    segments: BTreeSet<SegmentName>,
}

impl Pending {
    fn new(period: Period) -> Pending {
        Pending {
            period,
            span: None,
            segments: BTreeSet::new(),
        }
    }

    fn add(&mut self, hour: RollUp, parts: &mut Vec<Part>) {
        let hour_span = hour.span();
        match &mut self.span {
            Some(span) if span.until_ms == hour_span.since_ms => {
                span.until_ms = hour_span.until_ms;
            }
            _ => {
                self.settle(parts);
                self.span = Some(hour_span);
            }
        }
        self.segments.extend(hour.segments);
    }

    fn settle(&mut self, parts: &mut Vec<Part>) {
        let Some(span) = self.span.take() else {
            return;
        };
        let span = Period {
            since_ms: span.since_ms.max(self.period.since_ms),
            until_ms: span.until_ms.min(self.period.until_ms),
        };
        let segments = std::mem::take(&mut self.segments).into_iter();
        let within = segments.filter(|segment| {
            let (first, last) = bounds(segment);
            span.overlaps(first, last)
        });
        parts.extend(within.map(|segment| alone(segment, span)));
    }
}

/// Makes the statistics of a span, and stores them if it is worth it and nothing
/// is missing in them.
pub(super) async fn make<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    mapping: &Mapping,
    roll_up: &RollUp,
) -> Made {
    match roll_up.kind {
        Kind::Hours => make_day(disk, clock, mapping, roll_up).await,
        _ => make_hour(disk, clock, mapping, roll_up).await,
    }
}

async fn make_hour<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    mapping: &Mapping,
    hour: &RollUp,
) -> Made {
    let mut made = Made::default();
    let fingerprint = mapping.fingerprint();
    let loads = stream::iter(&hour.segments)
        .map(
            |segment| async move { index::load(disk, &index::file_of(fingerprint, segment)).await },
        )
        .buffered(SIDE_FILES_AT_ONCE);
    let mut loads = pin!(loads);
    for segment in &hour.segments {
        match loads.next().await.flatten() {
            Some(content) => absorb(&mut made.rows, &content, hour),
            None => match index::make(disk, clock, mapping, segment).await {
                Ok(rows) => absorb(&mut made.rows, &rows.into(), hour),
                Err(Unreadable::Gone) => made.is_whole = false,
                Err(error) => {
                    made.is_whole = false;
                    made.problems.push(format!("{segment}: {error}"));
                }
            },
        }
        clock.breathe().await;
    }
    keep(disk, clock, mapping, hour, &mut made).await;
    made
}

async fn make_day<D: Disk, C: Clock>(disk: &D, clock: &C, mapping: &Mapping, day: &RollUp) -> Made {
    let mut made = Made::default();
    let of_day = days(hours(&day.segments)).remove(&day.start_ms);
    for hour in of_day.unwrap_or_default() {
        let loaded = match hour.is_worth_it(clock.wall_ms()) {
            true => index::load(disk, &hour.file(mapping.fingerprint())).await,
            false => None,
        };
        let content = match loaded {
            Some(content) => content,
            None => {
                let of_hour = make_hour(disk, clock, mapping, &hour).await;
                made.is_whole &= of_hour.is_whole;
                made.problems.extend(of_hour.problems);
                of_hour.rows.into()
            }
        };
        absorb(&mut made.rows, &content, day);
        clock.breathe().await;
    }
    keep(disk, clock, mapping, day, &mut made).await;
    made
}

/// Adds the rows of the span, by its grain.
fn absorb(rows: &mut Rows, content: &Content, roll_up: &RollUp) {
    let (span, grain) = (roll_up.span(), roll_up.kind.grain_ms());
    for (start, row) in &content.rows {
        if span.contains(*start) {
            rows.absorb(start / grain * grain, row, &content.names);
        }
    }
}

async fn keep<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    mapping: &Mapping,
    roll_up: &RollUp,
    made: &mut Made,
) {
    made.rows.finish();
    if made.is_whole && roll_up.is_worth_it(clock.wall_ms()) {
        let file = roll_up.file(mapping.fingerprint());
        index::keep(disk, clock, &file, &mut made.rows).await;
    }
}
