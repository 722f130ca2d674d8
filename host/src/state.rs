//! What a store holds beside the instance: its one directory, its environment,
//! its limits.

use crate::limits;
use crate::linker::OpenFiles;
use crate::log::GuestLog;
use crate::tenant::{Bounds, CpuAccount, Quota, ThreadCpu, thread_cpu};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Result, Store, UpdateDeadline};
use wasmtime_wasi::filesystem::{WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// Where the component sees its directory.
const MOUNT: &str = "/data";

/// What one instance is given.
pub(crate) struct Grant<'a> {
    pub(crate) data_dir: &'a Path,
    pub(crate) vars: &'a BTreeMap<String, String>,
    pub(crate) bounds: &'a Bounds,
    pub(crate) quota: &'a Arc<Quota>,
    pub(crate) cpu: &'a Arc<CpuAccount>,
    /// Of the thread the instance runs on.
    pub(crate) thread: &'a Arc<ThreadCpu>,
    /// What the tenant's instances write, all of them.
    pub(crate) log: &'a GuestLog,
}

/// The data of a store.
pub(crate) struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    /// As `wasi`'s, but files opened through it do their I/O on the worker's own
    /// thread. Used for journals; see `linker`.
    inline: WasiFilesystemCtx,
    http: WasiHttpCtx,
    hooks: NoRequests,
    limits: Limits,
    usage: Arc<Usage>,
    quota: Arc<Quota>,
    cpu: Arc<CpuAccount>,
    thread: Arc<ThreadCpu>,
    cpu_per_call: Duration,
    log: GuestLog,
    open_files: OpenFiles,
}

/// What the worker watches while its instance runs.
#[derive(Default)]
pub(crate) struct Usage {
    /// Bytes of linear memory.
    memory_bytes: AtomicU64,
    /// Times it was refused more.
    refused_growth: AtomicU64,
    /// CPU nanoseconds of the thread when the running stretch of Wasm was first
    /// interrupted; 0 when it was not.
    running_since: AtomicU64,
}

impl Usage {
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes.load(Ordering::Relaxed)
    }

    /// How often it was refused more memory since the last call.
    pub(crate) fn take_refused_growth(&self) -> u64 {
        self.refused_growth.swap(0, Ordering::Relaxed)
    }

    /// The instance has given up control: whatever runs next starts anew.
    pub(crate) fn gave_up_control(&self) {
        self.running_since.store(0, Ordering::Relaxed);
    }

    /// How much CPU time the running stretch of Wasm has used.
    fn stretch(&self) -> Duration {
        let now = thread_cpu();
        let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).max(1);
        match self.running_since.load(Ordering::Relaxed) {
            0 => {
                self.running_since.store(nanoseconds, Ordering::Relaxed);
                Duration::ZERO
            }
            since => Duration::from_nanos(nanoseconds.saturating_sub(since)),
        }
    }
}

/// A store with every limit set.
///
/// # Errors
///
/// Where the directory cannot be opened.
pub(crate) fn store(engine: &Engine, grant: &Grant<'_>) -> Result<Store<State>> {
    let usage = Arc::new(Usage::default());
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits::RESOURCES);
    let log = grant.log.clone();
    let mut wasi = WasiCtx::builder();
    wasi.stdout(log.clone())
        .stderr(log.clone())
        .allow_tcp(false)
        .allow_udp(false)
        .env("DATA_DIR", MOUNT)
        .preopened_dir(grant.data_dir, MOUNT, FsPerms::ReadWrite)?;
    for (name, value) in grant.vars {
        wasi.env(name, value);
    }
    let mut inline = WasiCtx::builder();
    inline.allow_blocking_current_thread(true);
    let state = State {
        table,
        wasi: wasi.build(),
        inline: inline.build().filesystem().clone(),
        http: WasiHttpCtx::new(),
        hooks: NoRequests,
        limits: Limits {
            usage: Arc::clone(&usage),
            memory_bytes: grant.bounds.memory_bytes,
        },
        usage,
        quota: Arc::clone(grant.quota),
        cpu: Arc::clone(grant.cpu),
        thread: Arc::clone(grant.thread),
        cpu_per_call: grant.bounds.cpu_per_call,
        log,
        open_files: OpenFiles::default(),
    };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limits);
    store.set_hostcall_fuel(limits::HOSTCALL_FUEL_BYTES);
    store.set_max_component_handles(limits::COMPONENT_HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| interrupted(store.data()));
    Ok(store)
}

/// What happens to Wasm that is interrupted: others get their turn, and it goes on
/// when its tenant has CPU time left.
fn interrupted(state: &State) -> Result<UpdateDeadline> {
    let stretch = state.usage.stretch();
    if stretch > state.cpu_per_call {
        state.cpu.note_runaway();
        return Err(wasmtime::format_err!(
            "ran for {:.1} s of CPU time without giving up control; see CPU_PER_CALL",
            stretch.as_secs_f64()
        ));
    }
    let wait = state.cpu.charge(state.thread.take());
    if wait.is_zero() {
        return Ok(UpdateDeadline::Yield(1));
    }
    Ok(UpdateDeadline::YieldCustom(
        1,
        Box::pin(tokio::time::sleep(wait)),
    ))
}

impl State {
    pub(crate) fn usage(&self) -> Arc<Usage> {
        Arc::clone(&self.usage)
    }

    pub(crate) fn quota(&self) -> &Arc<Quota> {
        &self.quota
    }

    /// Where lines about the component go, which are its own fault.
    pub(crate) fn log(&self) -> &GuestLog {
        &self.log
    }

    pub(crate) fn open_files(&mut self) -> &mut OpenFiles {
        &mut self.open_files
    }

    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// The filesystem whose files block the worker's thread.
    pub(crate) fn inline_filesystem(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView {
            ctx: &mut self.inline,
            table: &mut self.table,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}

/// Refuses growth beyond the bounds; the instance sees a failed allocation.
struct Limits {
    usage: Arc<Usage>,
    memory_bytes: u64,
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let grown = desired.saturating_sub(current) as u64;
        let total = self.usage.memory_bytes().saturating_add(grown);
        let allowed = total <= self.memory_bytes;
        if allowed {
            self.usage.memory_bytes.store(total, Ordering::Relaxed);
        } else {
            self.usage.refused_growth.fetch_add(1, Ordering::Relaxed);
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(desired <= limits::TABLE_ELEMENTS)
    }

    /// Core instances; a component is made of a handful.
    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}

/// Whether an instance was ended because it holds too much that the host keeps
/// for it. Of one of the two bounds the runtime only says so in words.
pub(crate) fn is_about_handles(error: &wasmtime::Error) -> bool {
    use wasmtime::component::ResourceTableError;
    let full = matches!(error.downcast_ref(), Some(ResourceTableError::Full));
    let words = "cannot allocate another handle";
    full || error.chain().any(|cause| cause.to_string().contains(words))
}

/// Refuses outgoing requests. The linker offers no way to make one; this is the
/// second lock on that door.
struct NoRequests;

/// What tells how the rest of an exchange went.
type Finished = Box<dyn Future<Output = std::result::Result<(), Error>> + Send>;

impl WasiHttpHooks for NoRequests {
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Finished,
    ) -> Box<
        dyn Future<Output = std::result::Result<(http::Response<WasiBody>, Finished), Error>>
            + Send,
    > {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
