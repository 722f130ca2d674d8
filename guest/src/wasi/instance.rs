//! What one instance of the component holds, made at its first use.

use super::clock::WasiClock;
use super::disk::WasiDisk;
use crate::clock::Clock;
use crate::config::Settings;
use crate::intake::{Submission, check};
use crate::journal::writer::Batch;
use crate::limits::MAX_FRAME_BYTES;
use crate::problem::{Problem, Refusal};
use crate::query::gate::Gate;
use crate::report::Stamper;
use crate::store::Store;
use crate::traps::spring;
use futures::lock::Mutex;
use std::cell::RefCell;
use std::rc::Rc;
use wasip3::cli::environment::get_environment;

/// The store over WASI.
pub(super) type WasiStore = Store<WasiDisk, WasiClock>;

/// Settings, store, and what stamps reports.
pub(super) struct Instance {
    pub(super) settings: Settings,
    pub(super) store: Rc<WasiStore>,
    stamper: RefCell<Stamper>,
    /// Bounds the questions answered at once.
    pub(super) questions: Gate,
    /// Bytes of bodies that are being read.
    pub(super) reading_bytes: std::cell::Cell<u64>,
}

thread_local! {
    static INSTANCE: Rc<Mutex<Option<Rc<Instance>>>> = Rc::default();
}

/// This instance.
///
/// # Errors
/// What keeps it from working: a setting, or the directory. The next call tries
/// again.
pub(super) async fn instance() -> Result<Rc<Instance>, Problem> {
    let cell = INSTANCE.with(Rc::clone);
    let mut made = cell.lock().await;
    if let Some(instance) = &*made {
        return Ok(Rc::clone(instance));
    }
    let instance = Rc::new(make().await?);
    *made = Some(Rc::clone(&instance));
    Ok(instance)
}

async fn make() -> Result<Instance, Problem> {
    let settings = Settings::from_vars(get_environment()).map_err(|error| {
        super::log::start(false);
        log::error!("{error}");
        Problem::new(
            503,
            "configuration",
            "the server is not configured correctly",
        )
    })?;
    super::log::start(settings.debug);
    let disk = WasiDisk::open(&settings.data_dir).await.map_err(|error| {
        log::error!("DATA_DIR={:?} cannot be used: {error}", settings.data_dir);
        Problem::new(503, "disk", "the data directory cannot be used")
    })?;
    let clock = WasiClock;
    Ok(Instance {
        stamper: RefCell::new(Stamper::new(clock.random())),
        store: Store::new(disk, clock, settings.clone()),
        settings,
        questions: Gate::default(),
        reading_bytes: std::cell::Cell::new(0),
    })
}

/// The verdict on a submission: how many reports were stored, or why none.
pub(super) type Verdict = Result<u32, Problem>;

impl Instance {
    /// Judges and stores submissions, with as few appends as possible. The
    /// verdicts come in their order.
    pub(super) async fn submit(&self, submissions: &[Submission<'_>]) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(submissions.len());
        let mut rest = submissions;
        while !rest.is_empty() {
            // If there is none, storing says so.
            let _ = self.store.wait_for_room().await;
            let (mut judged, batch) = self.judge(rest);
            let (these, others) = rest.split_at(judged.len());
            these.iter().for_each(|one| spring("before", one.body));
            let accepted = self.store.accept(batch).await;
            these.iter().for_each(|one| spring("after", one.body));
            rest = others;
            if let Err(error) = accepted {
                for verdict in judged.iter_mut().filter(|verdict| verdict.is_ok()) {
                    let problem = Problem::from(Refusal::Store(error.clone()));
                    self.store.metrics().rejected(problem.reason);
                    *verdict = Err(problem);
                }
            }
            verdicts.append(&mut judged);
        }
        verdicts
    }

    /// Judges submissions from the first on, until their lines fill a frame.
    fn judge(&self, submissions: &[Submission<'_>]) -> (Vec<Verdict>, Batch) {
        let mut stamper = self.stamper.borrow_mut();
        let now = self.store.clock().wall_ms();
        stamper.set_time(now);
        let mut batch = Batch::new();
        let mut verdicts = Vec::with_capacity(submissions.len());
        let metrics = self.store.metrics();
        for submission in submissions {
            metrics.received(submission.body.len());
            let checked = check(&self.settings, *submission, &mut stamper, &mut batch.frame);
            batch.reports += *checked.as_ref().unwrap_or(&0);
            verdicts.push(checked.map_err(|refusal| {
                let problem = Problem::from(refusal);
                metrics.rejected(problem.reason);
                problem
            }));
            if batch.lines().len() >= MAX_FRAME_BYTES {
                break;
            }
        }
        batch.first_ms = now;
        batch.last_ms = now;
        (verdicts, batch)
    }
}
