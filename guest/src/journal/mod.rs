//! The journal: where a report is before it is in a segment.
//!
//! A journal belongs to one instance, which alone appends frames to it. It
//! knows no JSON: a frame's payload is bytes, and only their number of reports
//! and receive times are known beside them.
//!
//! ```text
//! file     header 40 │ frame │ frame │ … │ seal │ (ignored)
//! header   FF "NWJNL" 00 01 │ journal id 16 │ created ms 8 │ zero 4 │ crc 4
//! frame    FF "FR" 01 │ payload length 4 │ reports 4 │ number 4
//!          │ first ms 8 │ last ms 8 │ zero 4 │ crc 4 │ payload
//! seal     FF "SL" 01 │ 8 │ kind 4 │ zero 4 │ … zero … │ crc 4 │ good end 8
//! ```
//!
//! Integers are little-endian. `crc` is CRC-32C (Castagnoli, RFC 3720 B.4) over
//! the journal id, the header up to the crc, and the payload: a frame of another
//! journal, left over in a recycled disk block, does not pass for one of this.
//! No byte FF occurs in UTF-8, so no report can contain something that looks
//! like a frame.
//!
//! # Who owns the content: the first seal decides
//!
//! Appends are atomic with respect to each other (`O_APPEND`), so all who append
//! to a file agree on one order. Whoever wants to take a journal away from its
//! instance, dead or alive, appends a seal; the content is what stands before
//! the *first* seal, for everybody and for ever. The instance compares the
//! file's size after each append with what it must be if nobody else wrote, and
//! acknowledges only what it knows to stand before a seal. This needs no lock, no
//! clock and no knowledge of who is alive.
//!
//! # What a crash can tear, and why it is harmless
//!
//! * The last frame, unsynced or cut by a dying process: it was not
//!   acknowledged; the crc fails, and nothing good follows it.
//! * A frame into which a seal fell (an append of more than 8 KiB may be made
//!   in pieces): the crc fails, the seal follows, and the instance sees the
//!   size and appends the frame to its next journal instead.
//! * The header: then no frame was acknowledged.
//!
//! A bad frame with a good *frame* behind it, or before the end that the
//! instance itself declared good when it sealed, is corruption. The good frames
//! are kept, and the journal is moved to `quarantine/` rather than removed.

pub(crate) mod ahead;
pub mod frame;
pub mod name;
pub mod reader;
pub mod writer;
