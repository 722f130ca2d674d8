//! Every bound of the host in one place, with its unit and its reason.

use std::time::Duration;

/// Bytes of linear memory one instance may have. A worker's promise.
pub(crate) const MEMORY_BYTES: usize = 64 << 20;

/// Linear memory never shrinks, so an instance that once grew this far, in
/// percent of what it may have, is replaced before it comes near that.
pub(crate) const MEMORY_PERCENT_TO_REPLACE: u64 = 75;

/// Elements in all of an instance's tables; the component has some hundreds.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;

/// Requests of one tenant at once.
pub(crate) const REQUESTS_IN_FLIGHT: usize = 4096;

/// Without a request for this long, a tenant of many publishes what it holds and
/// gives up its memory.
pub(crate) const IDLE_TIME: Duration = Duration::from_secs(300);

/// … or, where others wait for its place, for this long.
pub(crate) const IDLE_LEAST: Duration = Duration::from_secs(1);

/// Tenants that have instances at once, where it is not configured: each takes 4 to
/// 5 MiB and a dozen descriptors, and more when it has work.
pub(crate) const AWAKE_TENANTS: usize = 512;

/// Between two looks for idle tenants.
pub(crate) const IDLE_LOOK: Duration = Duration::from_millis(500);

/// Between two times that tenants without instances get some to prune their files.
pub(crate) const ERRAND_ROUND: Duration = Duration::from_secs(3600);

/// Bytes of an error that are kept for the operator.
pub(crate) const ERROR_BYTES: usize = 1000;

/// Time an instance has to start and say its name.
pub(crate) const START_TIME: Duration = Duration::from_secs(30);

/// Time an instance has for a call of the host's timer.
pub(crate) const ERRAND_TIME: Duration = Duration::from_secs(60);

/// After a tenant's instance did not start, the next try is this much later.
pub(crate) const ROUSE_PAUSE: Duration = Duration::from_secs(1);

/// Threads that a worker's file operations may wait on.
pub(crate) const BLOCKING_THREADS: usize = 16;

/// Bytes by which publishing may exceed a disk quota: the largest segment and
/// its side files, until the journals it is made of are removed.
pub(crate) const QUOTA_RESERVE_BYTES: u64 = 32 << 20;

/// Between two counts of a directory whose quota is used up …
pub(crate) const QUOTA_PAUSE: Duration = Duration::from_millis(250);

/// … and at least so many times as long as counting took.
pub(crate) const QUOTA_SHARE: u32 = 20;

/// Directories in one another below which nothing is counted: who goes deeper has
/// used up the quota.
pub(crate) const QUOTA_DEPTH: usize = 32;

/// Lines a second that an instance may write to the log, and at once.
pub(crate) const LOG_LINES_PER_SECOND: u32 = 50;
/// … before lines are left out.
pub(crate) const LOG_LINES_BURST: u32 = 1000;

/// Files and directories that an instance may hold open. The component holds some
/// dozens; the process has some ten thousand descriptors for all tenants and all
/// connections.
pub(crate) const OPEN_FILES: usize = 256;

/// Resources (descriptors, requests, streams) one store may hold.
pub(crate) const RESOURCES: usize = 20_000;

/// Handles to resources one instance may hold.
pub(crate) const COMPONENT_HANDLES: usize = 20_000;

/// Bytes the host copies out of an instance for one call.
pub(crate) const HOSTCALL_FUEL_BYTES: usize = 32 << 20;

/// `wasi:http` calls after which an instance is replaced: handles that it never
/// drops would add up.
pub(crate) const CALLS_TO_REPLACE: u64 = 1_000_000;

/// Wasm code is interrupted at this interval, to let others run.
pub(crate) const EPOCH: Duration = Duration::from_millis(10);

/// CPU time an instance may use without giving up control before it is stopped.
pub(crate) const RUNAWAY: Duration = Duration::from_secs(5);

/// Room that is made for a body at most before it comes, bytes.
pub(crate) const BODY_ROOM: usize = 64 << 10;

/// Submissions in one call of `intake.submit`.
pub(crate) const BATCH_SUBMISSIONS: usize = 256;

/// … and bytes of their bodies (one larger body makes a batch of its own).
pub(crate) const BATCH_BYTES: usize = 2 << 20;

/// Submissions that may wait for one worker; above it clients get 503.
pub(crate) const QUEUED_SUBMISSIONS: usize = 4096;

/// Submissions waiting for a worker from which on another helps.
pub(crate) const SPILL_SUBMISSIONS: usize = 64;

/// Connections of a worker from which on the next worker gets some. Below it a
/// quiet server fills one journal, and so one file, instead of many.
pub(crate) const FEW_CONNECTIONS: usize = 8;

/// Requests other than reports that one worker handles at once.
pub(crate) const CALLS_IN_FLIGHT: usize = 256;

/// Bytes of the largest body that is answered without hyper.
pub(crate) const EXPRESS_BYTES: usize = 64 << 10;

/// Bytes that are asked of a connection's socket at least; what it keeps room for
/// while nothing comes.
pub(crate) const EXPRESS_ROOM: usize = 8 << 10;

/// Bytes of a tenant's report bodies in the host's memory at once.
pub(crate) const BODY_BYTES_IN_FLIGHT: usize = 48 << 20;

/// … and of all tenants'.
pub(crate) const ALL_BODY_BYTES_IN_FLIGHT: usize = 256 << 20;

/// Connections at once, where `MAX_CONNECTIONS` is not set.
pub(crate) const CONNECTIONS: u32 = 10_000;

/// … and what it may be set to: as many as one machine has been seen to hold.
pub(crate) const CONNECTIONS_CEILING: u32 = 1_000_000;

/// Connections that make room at once when there is none: looking for them costs
/// a look at all.
pub(crate) const DISMISSED_AT_ONCE: usize = 64;

/// How long they have to go. New connections wait meanwhile.
pub(crate) const DISMISSAL_TIME: Duration = Duration::from_millis(100);

/// A body that has been on its way for less than this makes room for nobody: it
/// would come whole in a moment.
pub(crate) const BODY_HURRY: Duration = Duration::from_secs(1);

/// Connections of operators at once.
pub(crate) const ADMIN_CONNECTIONS: usize = 64;

/// Bytes of an answer of the admin endpoint that the commands read.
pub(crate) const ADMIN_ANSWER_BYTES: usize = 64 << 20;

/// Bytes of a request's head; also the least read buffer hyper allows.
pub(crate) const HEAD_BYTES: usize = 16 << 10;

/// Header lines of a request.
pub(crate) const HEADERS: usize = 100;

/// Time for a request's head to arrive, and for a kept-alive connection to be
/// used again.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);

/// Bytes of a request's target: longer ones are no address of anything here.
pub(crate) const TARGET_BYTES: usize = 8 << 10;

/// Time for a body to arrive, however fast it comes.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(30);

/// Time in which a body may come slower than `BODY_BYTES_PER_SECOND`: a phone in
/// a tunnel.
pub(crate) const BODY_GRACE: Duration = Duration::from_secs(5);

/// Bytes of a body a second, where `BODY_BYTES_PER_SECOND` is not set: slower
/// than any connection that is of use.
pub(crate) const BODY_BYTES_PER_SECOND: u64 = 1 << 10;

/// Time in which a client takes none of its answer, until it is given up.
pub(crate) const WRITE_TIME: Duration = Duration::from_secs(30);

/// Time in which bytes that nobody wants are read after a refusal, so that it
/// arrives …
pub(crate) const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// … and how many of them.
pub(crate) const FAREWELL_BYTES: usize = 2 << 20;

/// Time for a PROXY header, which a proxy sends at once.
pub(crate) const PROXY_HEADER_TIME: Duration = Duration::from_secs(5);

/// Bytes of a PROXY header of version 2 after its fixed part: addresses, and what
/// proxies are known to add.
pub(crate) const PROXY_HEADER_BYTES: usize = 2 << 10;

/// Time for a TLS handshake.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Between two looks whether the certificate's files have changed.
pub(crate) const CERTIFICATE_LOOK: Duration = Duration::from_secs(2);

/// Requests at once on one HTTP/2 connection.
pub(crate) const STREAMS: u32 = 100;

/// Bytes of one HTTP/2 stream's body that may come unread …
pub(crate) const STREAM_WINDOW_BYTES: u32 = 128 << 10;

/// … and of all streams of a connection.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;

/// Bytes of an HTTP/2 frame; the least the standard allows.
pub(crate) const FRAME_BYTES: u32 = 16 << 10;

/// Bytes of one stream's answer that wait to be sent.
pub(crate) const STREAM_SEND_BYTES: usize = 64 << 10;

/// Streams that a client has reset before anybody looked at them, until its
/// connection is closed ("rapid reset", CVE-2023-44487).
pub(crate) const PENDING_RESETS: usize = 20;

/// Streams that the server had to reset because of the client's errors, until its
/// connection is closed.
pub(crate) const LOCAL_RESETS: usize = 128;

/// Between two pings of an HTTP/2 connection …
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(20);

/// … and the time for its answer.
pub(crate) const PING_TIME: Duration = Duration::from_secs(10);

/// Between two looks at an HTTP/2 connection. [`WRITE_TIME`] is some of them.
pub(crate) const HTTP2_LOOK: Duration = Duration::from_secs(5);

/// Time without a request, until an HTTP/2 connection is closed: longer than for
/// HTTP/1.1, since its handshake costs more.
pub(crate) const HTTP2_IDLE: Duration = Duration::from_secs(60);

/// Time an HTTP/2 connection that is to go has for what it still owes.
pub(crate) const HTTP2_LEAVE: Duration = Duration::from_secs(10);

/// Clients whose requests are counted each; about 10 MB. All others are counted
/// together.
pub(crate) const RATED_CLIENTS: usize = 100_000;

/// Between two looks which of them have been quiet, when there is no room.
pub(crate) const RATE_SWEEP: Duration = Duration::from_secs(1);

/// Bytes that count as one for a tenant's rate: counted singly, a rate of a
/// gigabyte would be beyond the algorithm's nanoseconds.
pub(crate) const RATE_UNIT: u64 = 1 << 10;

/// Descriptors for everything but connections: files, pipes, the listener.
pub(crate) const OTHER_DESCRIPTORS: u64 = 512;

/// Time for the component to answer.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Time requests in flight get at shutdown.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Time publishing gets at shutdown. What it leaves is in the journal.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(30);

/// Between two `maintenance.tick` calls.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Before the first `maintenance.index` call, and between two while statistics
/// are missing.
pub(crate) const INDEX_PAUSE: Duration = Duration::from_millis(500);

/// … and while none is missing: as long as a segment just published waits.
pub(crate) const INDEX_REST: Duration = Duration::from_secs(3);

/// Times as long as such a call took nothing is done for statistics after it, so
/// that reports have the worker to themselves most of the time.
pub(crate) const INDEX_SHARE: u32 = 9;

/// Without a sign of the worker that looks after what is stored, another does.
pub(crate) const RETENTION_PATIENCE: Duration = Duration::from_secs(5);

/// How long an instance has to tell its numbers for the metrics.
pub(crate) const METRICS_TIME: Duration = Duration::from_secs(2);

/// An instance that lived this long was no failed start.
pub(crate) const SETTLED: Duration = Duration::from_secs(10);

/// Longest wait before an instance that keeps failing is started again.
pub(crate) const BACKOFF: Duration = Duration::from_secs(5);

/// Recoveries that may trap in a row before the rest is put off.
pub(crate) const RECOVERY_ATTEMPTS: u32 = 5;

/// Until what a recovery had to leave (it trapped, or the disk refused) is tried
/// again.
pub(crate) const RECOVERY_PAUSE: Duration = Duration::from_secs(10);

/// Bytes of one line of the component's log.
pub(crate) const LOG_LINE_BYTES: usize = 8 << 10;

/// Time for a connection of `post` to be made.
pub(crate) const POST_CONNECT_TIME: Duration = Duration::from_secs(10);

/// Time for a server to answer `post`: longer than a server of this kind takes.
pub(crate) const POST_ANSWER_TIME: Duration = Duration::from_secs(90);

/// Bytes of an answer that `post` reads.
pub(crate) const POST_ANSWER_BYTES: usize = 64 << 10;

/// A connection of `post` that was idle for longer is not used again: shorter
/// than [`HEAD_TIME`], after which the server closes it.
pub(crate) const POST_IDLE_TIME: Duration = Duration::from_secs(5);

/// The first wait of `post` where the server does not say how long; each further
/// one is twice as long …
pub(crate) const POST_BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// … up to this.
pub(crate) const POST_BACKOFF: Duration = Duration::from_secs(30);
