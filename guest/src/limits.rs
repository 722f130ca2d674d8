//! Every bound in one place, with its unit and its reason.

use std::time::Duration;

/// Reports in one request. Bounds the growth of `[{},{},…]`: two bytes a report
/// on the wire become about a hundred when `_received` is put into each.
pub const MAX_REPORTS_PER_REQUEST: u32 = 10_000;

/// Nesting of arrays and objects in one report, the report itself being level 1.
/// Deeper than any telemetry, shallower than any reader's stack.
pub const MAX_DEPTH: u32 = 64;

/// Characters of an input's own text that an error message repeats.
pub const MAX_QUOTED_CHARS: usize = 64;

/// Largest `MAX_BODY_BYTES` that may be configured: several bodies are in
/// memory at once, and a worker must stay below 64 MiB.
pub const MAX_BODY_BYTES_CEILING: u64 = 8 << 20;

/// Largest `FLUSH_BYTES` that may be configured: a segment is held compressed
/// in memory until it is verified, and may not compress at all.
pub const FLUSH_BYTES_CEILING: u64 = 12 << 20;

/// Smallest `FLUSH_BYTES`: below this every report would be a file.
pub const FLUSH_BYTES_FLOOR: u64 = 1 << 10;

/// Smallest `RETENTION_AGE`: what is younger may still be on its way to a reader.
pub const RETENTION_AGE_FLOOR: Duration = Duration::from_secs(60);

/// Smallest `RETENTION_BYTES`: below this a single segment would be too much.
pub const RETENTION_BYTES_FLOOR: u64 = 1 << 20;

/// Bytes of request bodies one instance holds at once before it answers 503.
pub const MAX_BYTES_IN_FLIGHT: u64 = 12 << 20;

/// Stored lines that one batch append may hold, bytes. A batch above it is
/// appended in several frames.
pub const MAX_FRAME_BYTES: usize = 4 << 20;

/// Payload of one frame a reader accepts, bytes: [`MAX_FRAME_BYTES`] plus the one
/// largest request that may come on top. More is a broken length, not a frame.
pub const MAX_FRAME_PAYLOAD_BYTES: usize = 16 << 20;

/// Sealed journals one instance may have waiting to be published. Above it
/// requests wait, and get 503 where the disk takes appends but no segments.
pub const MAX_SEALED_JOURNALS: usize = 6;

/// … where no journal has what is in them: each then takes as many bytes of memory
/// as it has lines.
pub const MAX_SEALED_IN_MEMORY: usize = 1;

/// Bytes of segments that are ready and wait to be published; those beyond are
/// made again from their journals. Bounds memory where reports do not compress.
pub const MAX_READY_BYTES: usize = 8 << 20;

/// How long a request waits for publishing to catch up.
pub const BACKLOG_PATIENCE: Duration = Duration::from_secs(10);

/// How often it looks.
pub const BACKLOG_PAUSE: Duration = Duration::from_millis(2);

/// Bytes that compression, verification and recovery handle before they let
/// requests run: about one millisecond.
pub const SLICE_BYTES: usize = 128 << 10;

/// Stored lines that may wait to be compressed, bytes; above it storing more
/// compresses some first.
pub const MAX_BEHIND_BYTES: usize = 1 << 20;

/// Seconds a client is asked to wait after a 503.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// Attempts to compress a segment from journals before its blocks stay raw. An
/// attempt that ends the instance (a trap, a kill) is one that counts.
pub const COMPRESSION_ATTEMPTS: u64 = 2;

/// Attempts to publish a segment before even its raw blocks are no longer
/// decoded, so that whatever ends the instance does not do so for ever.
pub const VERIFICATION_ATTEMPTS: u64 = 4;

/// Journals merged into one segment at most: bounds the plan and what is known
/// of each in memory.
pub const MAX_PLAN_JOURNALS: usize = 8192;

/// Between two looks at what there is to prune, where a host calls for it.
pub const PRUNE_PAUSE: Duration = Duration::from_secs(10);

/// The same while the disk is short of space. A file that somebody still reads
/// gives its space back later, so the next look must not come at once.
pub const SHORTAGE_PAUSE: Duration = Duration::from_secs(2);

/// Of its time, how much an instance may spend looking at what is stored: one
/// part of this many.
pub const INVENTORY_SHARE: u32 = 100;

/// How long an instance believes what it saw of the stored segments.
pub const INVENTORY_TRUST: Duration = Duration::from_secs(15);

/// Segments that are known one by one to who prunes, the oldest: about 120 bytes
/// each. Those beyond are counted, and taken to be as large as these.
pub const MAX_INVENTORY: usize = 100_000;

/// Sizes of files asked for in one look: about 50 µs each. Those beyond are for
/// the next look, and count for nothing until then.
pub const MAX_SIZES_A_LOOK: usize = 20_000;

/// Segments removed at once by size, or for want of space.
pub const MAX_PRUNED_A_PASS: usize = 64;

/// Between two removals by age. With the two bounds below, a clock that jumps
/// into the future costs a store a twentieth a minute, not everything at once.
pub const AGE_PAUSE: Duration = Duration::from_secs(60);

/// Segments that one removal by age may take, whatever their number …
pub const MIN_PRUNED_BY_AGE: usize = 10;

/// … or one part of this many of all.
pub const AGE_SHARE: usize = 20;

/// How often the flusher shows that it is alive.
pub const LEASE_BEAT: Duration = Duration::from_millis(500);

/// A flusher that has shown no sign of life for this long is taken for dead.
/// Being wrong costs work, never reports.
pub const LEASE_PATIENCE: Duration = Duration::from_secs(4);

/// For this long an instance trusts that the flusher it saw is alive.
pub const LEASE_TRUST: Duration = Duration::from_secs(5);

/// Bytes of the name of a host, a client or another group in the statistics.
/// Longer ones are cut.
pub const MAX_NAME_BYTES: usize = 128;

/// Groups that one file of statistics, or one answer, tells apart. Those beyond
/// are counted together: their names are chosen by whoever posts.
pub const MAX_GROUPS: usize = 128;

/// Groups told apart while a file of statistics is made, so that those with the
/// most samples are found and not those that came first.
pub const MAX_CANDIDATES: usize = 4 * MAX_GROUPS;

/// Spans of time times groups that statistics in the making may hold: about
/// 300 bytes each, 6 KiB at most.
pub const MAX_CELLS: usize = 16_384;

/// Groups told apart however many spans of time there are.
pub const MIN_GROUPS: usize = 16;

/// Buckets that an answer with statistics may have: more than a screen shows,
/// and a month by hours.
pub const MAX_BUCKETS: u64 = 1_000;

/// … and has at most where their width is not asked for.
pub const AUTO_BUCKETS: u64 = 200;

/// Buckets times groups of an answer: about 100 bytes each.
pub const MAX_SUMMARIES: usize = 65_536;

/// Times that counting the journals is begun again because they were published
/// meanwhile.
pub const MAX_STOCK_ATTEMPTS: u32 = 10;

/// A plan's file, bytes: [`MAX_PLAN_JOURNALS`] lines.
pub const MAX_PLAN_BYTES: usize = 2 << 20;

/// A file of statistics, bytes: [`MAX_CELLS`] cells with 1 KiB each. Larger ones
/// are not ours.
pub const MAX_SIDE_FILE_BYTES: usize = 16 << 20;

/// How long a question asked over HTTP goes on counting reports: less than the
/// native host waits for an answer, so that it can be told why there is none.
pub const COUNTING_TIME: Duration = Duration::from_secs(20);

/// Files of statistics read at once: enough to hide the way to the host.
pub const SIDE_FILES_AT_ONCE: usize = 8;

/// How long putting statistics together goes on before others have their turn.
pub const TURN: Duration = Duration::from_millis(2);

/// How long statistics are made at one call for it. One segment's takes about a
/// tenth of a second, with turns for others.
pub const UPKEEP_TIME: Duration = Duration::from_millis(200);

/// Segments of an hour or day up to which it has no statistics of its own, unless
/// they have more than so many times its rows: theirs are read as quickly.
pub const FEW_SEGMENTS: usize = 4;

/// So long after its end an hour or day waits for late segments before it gets
/// statistics of its own. Later ones cost only the work.
pub const ROLL_UP_PATIENCE: Duration = Duration::from_secs(300);

/// Files below `index/` that are in the making and older than this were given up.
pub const LITTER_AGE: Duration = Duration::from_secs(600);

/// Content of a segment that is looked at before requests run, bytes: counting
/// what is in it takes several times as long as decoding it.
pub const READING_SLICE_BYTES: usize = 32 << 10;

/// Conditions (`where`) of one question.
pub const MAX_WHERE: usize = 16;

/// Members (`fields`) that an answer may be reduced to.
pub const MAX_FIELDS: usize = 64;

/// Reports in one answer to a query.
pub const MAX_REPORTS_PER_PAGE: usize = 10_000;

/// … and where `limit` is not given.
pub const REPORTS_PER_PAGE: usize = 1_000;

/// Lines that an answer to a query holds in memory at once, bytes. More are read
/// again from the files when their turn comes.
pub const PAGE_BYTES: usize = 2 << 20;

/// How long a query looks for reports before it answers with what it has found
/// and where to go on.
pub const QUERY_TIME: Duration = Duration::from_secs(10);

/// Questions that one instance works on at once; each holds a few MiB.
pub const MAX_QUESTIONS: u32 = 4;

/// How long a question waits for others to be answered.
pub const QUESTION_PATIENCE: Duration = Duration::from_secs(10);

/// How often it looks.
pub const QUESTION_PAUSE: Duration = Duration::from_millis(5);

/// Content that a file among the segments may declare, bytes: more than any
/// segment made here has. What declares more is a bomb.
pub const MAX_SEGMENT_CONTENT_BYTES: u64 = 64 << 20;

/// A stored line, bytes: the largest report and what is put into it.
pub const MAX_LINE_BYTES: usize = MAX_BODY_BYTES_CEILING as usize + 128;

/// Files with something wrong that one answer names.
pub const MAX_PROBLEMS: usize = 20;

/// How long a login to the page lasts.
pub const READ_COOKIE_AGE: Duration = Duration::from_secs(30 * 86_400);

/// Cookies of logins that are looked at in one request: one for each server on
/// the machine, and nobody's reason to compute codes for long.
pub const MAX_COOKIES: usize = 16;

/// Bytes of the form of a login.
pub const MAX_LOGIN_BYTES: u64 = 4 << 10;

/// How long a login with a wrong token waits for its answer, so that guessing is
/// slow.
pub const LOGIN_PAUSE: Duration = Duration::from_millis(500);

/// Hosts with a panel of their own; the others are in the table only. A page of
/// more is too long to be looked at, and of too many bytes.
pub const MAX_PANELS: usize = 24;

/// Hosts that the page can be asked for at once: all that an answer tells apart.
pub const MAX_HOSTS_ASKED: usize = MAX_GROUPS;

/// Rows of a breakdown on the page; the statistics have them all.
pub const MAX_BREAKDOWN_ROWS: usize = 20;

/// Bytes of what is stored of a client: the longest network is shorter, and so is
/// what stands for one.
pub const MAX_CLIENT_BYTES: usize = 64;
