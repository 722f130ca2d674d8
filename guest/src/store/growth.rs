//! The segment that grows beside a journal, while its reports come in and, for
//! what was not compressed by then, after it was sealed.

use crate::journal::writer::Batch;
use crate::segment::checked::CheckedEncoder;
use std::collections::VecDeque;

/// A segment in the making, and what is still to go into it.
pub(super) struct Growth {
    /// `None` where the segment is not this instance's to make, or not any more.
    encoder: Option<CheckedEncoder>,
    /// Stored and told, but not yet compressed.
    behind: VecDeque<Batch>,
    behind_bytes: usize,
    /// All frames that are not behind, where no journal has them.
    kept: Option<Vec<Vec<u8>>>,
}

/// What became of a segment.
pub(super) struct Grown {
    /// Verified; `None` where it has to be made in another way.
    pub(super) segment: Option<Vec<u8>>,
    /// For the next segment, in the memory of this one.
    pub(super) encoder: Option<CheckedEncoder>,
    /// Where no journal has the lines: all of them, each vector with a frame's
    /// head before them.
    pub(super) kept: Vec<Vec<u8>>,
}

impl Growth {
    /// Nothing yet. With `keep`, what goes in is kept as it came.
    pub(super) fn new(encoder: Option<CheckedEncoder>, keep: bool) -> Growth {
        Growth {
            encoder,
            behind: VecDeque::new(),
            behind_bytes: 0,
            kept: keep.then(Vec::new),
        }
    }

    /// Takes what is stored, for [`Growth::catch_up`] to compress.
    pub(super) fn take(&mut self, batch: Batch) {
        if self.encoder.is_some() {
            self.behind_bytes += batch.lines().len();
            self.behind.push_back(batch);
        } else {
            self.keep(batch);
        }
    }

    /// Keeps a batch where no journal has it, in no more memory than it needs.
    fn keep(&mut self, mut batch: Batch) {
        if let Some(kept) = &mut self.kept {
            batch.frame.shrink_to_fit();
            kept.push(batch.frame);
        }
    }

    /// Compresses what waits for it, oldest first, until `enough` bytes are done.
    pub(super) fn catch_up(&mut self, enough: usize) {
        let mut done = 0;
        while done < enough
            && let Some(batch) = self.behind.pop_front()
        {
            let bytes = batch.lines().len();
            self.behind_bytes -= bytes;
            done += bytes;
            if let Some(encoder) = &mut self.encoder
                && let Err(error) = encoder.write(batch.lines())
            {
                log::error!("{error}; the segment will be made again");
                self.encoder = None;
            }
            self.keep(batch);
        }
    }

    /// Bytes of lines that are not compressed yet.
    pub(super) fn behind_bytes(&self) -> usize {
        self.behind_bytes
    }

    /// Bytes that the segment has at most, where one is being made.
    pub(super) fn bytes(&self) -> Option<usize> {
        let encoder = self.encoder.as_ref()?;
        Some(encoder.bytes() + self.behind_bytes)
    }

    /// Gives up making the segment.
    pub(super) fn give_up(&mut self) {
        self.encoder = None;
        self.catch_up(usize::MAX);
    }

    /// Ends the segment, with whatever is still behind; `seed` is the next one's.
    pub(super) fn finish(mut self, seed: u64) -> Grown {
        self.catch_up(usize::MAX);
        let kept = self.kept.take().unwrap_or_default();
        let mut encoder = self.encoder.take();
        let segment = encoder.as_mut().map(|encoder| encoder.finish(seed));
        let segment = segment.and_then(|segment| {
            segment
                .inspect_err(|error| log::error!("{error}; the segment is made again"))
                .ok()
        });
        Grown {
            encoder: encoder.filter(|_| segment.is_some()),
            segment,
            kept,
        }
    }
}
