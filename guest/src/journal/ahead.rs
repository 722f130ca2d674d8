//! Reads what lies close together with few calls.

use crate::disk::{DiskFile, DiskResult};
use crate::limits::SLICE_BYTES;

/// A file that is read forwards in small pieces. A frame holds as little as one
/// report, and a read costs as much as the work on several.
pub(crate) struct ReadAhead<'a, F> {
    file: &'a F,
    bytes: Vec<u8>,
    /// Offset in the file of the first of them.
    at: u64,
}

impl<'a, F: DiskFile> ReadAhead<'a, F> {
    pub(crate) fn new(file: &'a F) -> Self {
        ReadAhead {
            file,
            bytes: Vec::new(),
            at: 0,
        }
    }

    /// At most `wanted` bytes from the offset `at`; none where the file has ended.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) async fn read_at(&mut self, at: u64, wanted: usize) -> DiskResult<&[u8]> {
        if self.there(at).is_empty() {
            self.bytes = self.file.read_at(at, SLICE_BYTES).await?;
            self.at = at;
        }
        let there = self.there(at);
        Ok(there.get(..wanted).unwrap_or(there))
    }

    /// What is at hand from the offset `at` on.
    fn there(&self, at: u64) -> &[u8] {
        let passed = at.checked_sub(self.at);
        let passed = passed.and_then(|passed| usize::try_from(passed).ok());
        passed
            .and_then(|passed| self.bytes.get(passed..))
            .unwrap_or_default()
    }
}
