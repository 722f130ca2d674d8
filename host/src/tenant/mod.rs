//! Tenants: whom the server keeps apart from each other.
//!
//! A tenant has a directory of its own ([`Premises`]), instances of its component
//! that see nothing else, each on a thread of its own ([`Crew`]), and accounts of
//! what it uses. Instances are there from its first request until it has been idle
//! for a while; with one tenant only, always.
//!
//! What is configured can change while requests are in flight: a request takes
//! what is current when it comes and keeps that to its end, and a crew is only
//! stopped when nobody has it any more ([`reload`]).

mod apart;
mod awake;
mod cpu;
mod crew;
mod directory;
mod idle;
mod options;
mod premises;
mod quota;
mod reload;
mod usage;

pub(crate) use apart::keep_apart;
pub(crate) use awake::Awake;
pub(crate) use cpu::{CpuAccount, ThreadCpu, thread_cpu};
pub(crate) use crew::Crew;
pub(crate) use directory::{Directory, Found};
pub(crate) use idle::watch as watch_idle;
pub(crate) use options::{Bounds, ComponentOptions, TenantOptions, data_root, roll_call};
pub(crate) use premises::Premises;
pub(crate) use quota::Quota;
pub(crate) use reload::{Changes, Landlord};
pub(crate) use usage::count_directory;

use crate::budget::Budget;
use crate::component::Loaded;
use crate::edge::TenantRates;
use crate::limits;
use crate::log::LogAllowance;
use crate::metrics::Meters;
use crate::retention::Retention;
use crate::server::StartError;
use arc_swap::{ArcSwap, ArcSwapOption};
use netwatch_guest::problem::Problem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// One tenant.
pub(crate) struct Tenant {
    pub(crate) name: Arc<str>,
    pub(crate) premises: Arc<Premises>,
    pub(crate) meters: Meters,
    pub(crate) budget: Budget,
    pub(crate) cpu: Arc<CpuAccount>,
    pub(crate) rates: Arc<TenantRates>,
    pub(crate) log: Arc<LogAllowance>,
    pub(crate) retention: Arc<Retention>,
    terms: ArcSwap<Terms>,
    crew: ArcSwapOption<Crew>,
    awake: Awake,
    /// Held while there is a crew, where there are many tenants.
    place: Mutex<Option<awake::Place>>,
    /// Times there was none at once.
    waited: AtomicU64,
    /// Held while a crew is started; what became of the last try.
    rousing: tokio::sync::Mutex<Option<Failure>>,
    failing: AtomicBool,
    in_flight: AtomicUsize,
    turned_away: AtomicU64,
    /// Milliseconds from `born` to the last request's end.
    last_used: AtomicU64,
    born: Instant,
    last_error: Mutex<Option<String>>,
}

/// What is configured for a tenant now.
pub(crate) struct Terms {
    pub(crate) options: TenantOptions,
    pub(crate) component: Loaded,
}

/// A crew that did not start.
struct Failure {
    at: Instant,
    reason: String,
}

/// A request's presence at its tenant, and what it is served with.
pub(crate) struct Visitor {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) terms: Arc<Terms>,
}

impl Tenant {
    /// A tenant without instances yet. `bodies` is what all tenants' bodies may take.
    /// What all may have instances for is `awake`.
    pub(crate) fn new(
        premises: Arc<Premises>,
        terms: Terms,
        bodies: &Budget,
        awake: &Awake,
    ) -> Tenant {
        let options = &terms.options;
        let tenant = Tenant {
            name: options.name.as_str().into(),
            meters: Meters::default(),
            budget: bodies.within(limits::BODY_BYTES_IN_FLIGHT),
            cpu: Arc::new(CpuAccount::new(options.bounds.cpu_per_second)),
            rates: Arc::new(TenantRates::new(options.rates)),
            log: Arc::default(),
            retention: Arc::new(Retention::new(
                premises.data_dir.clone(),
                options.min_free_bytes,
            )),
            premises,
            terms: ArcSwap::from_pointee(terms),
            crew: ArcSwapOption::empty(),
            awake: awake.clone(),
            place: Mutex::default(),
            waited: AtomicU64::new(0),
            rousing: tokio::sync::Mutex::default(),
            failing: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            turned_away: AtomicU64::new(0),
            last_used: AtomicU64::new(0),
            born: Instant::now(),
            last_error: Mutex::default(),
        };
        tenant.apply_bounds();
        tenant
    }

    /// What is configured now.
    pub(crate) fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    fn apply_bounds(&self) {
        let terms = self.terms.load();
        let bounds = &terms.options.bounds;
        self.cpu.allow(bounds.cpu_per_second);
        self.rates.change(terms.options.rates);
        self.premises
            .quota
            .limit(bounds.disk_bytes, bounds.disk_files);
        self.retention.keep_free(terms.options.min_free_bytes);
    }

    /// Lets a request in.
    ///
    /// # Errors
    ///
    /// There are as many as there may be.
    pub(crate) fn admit(self: &Arc<Tenant>) -> Result<Visitor, (Visitor, Problem)> {
        let visitor = match self.try_admit() {
            Ok(visitor) => return Ok(visitor),
            Err(visitor) => visitor,
        };
        let most = visitor.terms.options.bounds.requests_in_flight;
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        let problem = Problem::new(
            503,
            "requests-in-flight",
            format!("{most} requests are being answered, which is all there may be; come again"),
        );
        Err((visitor, problem))
    }

    /// Lets a request in where there is room for it; one that is told otherwise is
    /// not counted yet.
    pub(crate) fn try_admit(self: &Arc<Tenant>) -> Result<Visitor, Visitor> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let visitor = Visitor {
            tenant: Arc::clone(self),
            terms: self.terms(),
        };
        if before < visitor.terms.options.bounds.requests_in_flight {
            Ok(visitor)
        } else {
            Err(visitor)
        }
    }

    /// The crew, started if there is none.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(crate) async fn crew(self: &Arc<Tenant>) -> Result<Arc<Crew>, Problem> {
        if let Some(crew) = self.crew.load_full() {
            return Ok(crew);
        }
        let roused = timeout(limits::ANSWER_TIME, self.rouse()).await;
        roused.unwrap_or(Err(())).map_err(|()| {
            let detail = "what answers here does not start; come again";
            Problem::new(503, "not-started", detail)
        })
    }

    async fn rouse(self: &Arc<Tenant>) -> Result<Arc<Crew>, ()> {
        let mut failure = self.rousing.lock().await;
        if let Some(crew) = self.crew.load_full() {
            return Ok(crew);
        }
        if failure
            .as_ref()
            .is_some_and(|failure| failure.at.elapsed() < limits::ROUSE_PAUSE)
        {
            return Err(());
        }
        let place = match self.awake.place() {
            Some(place) => Some(place),
            None => {
                self.waited.fetch_add(1, Ordering::Relaxed);
                self.awake.wait().await
            }
        };
        match Crew::start(self, self.terms()).await {
            Ok(crew) => {
                self.hold(place);
                *failure = None;
                self.failing.store(false, Ordering::Relaxed);
                let crew = Arc::new(crew);
                self.used_now();
                self.crew.store(Some(Arc::clone(&crew)));
                Ok(crew)
            }
            Err(error) => {
                let reason = error.to_string();
                let known = failure
                    .as_ref()
                    .is_some_and(|failure| failure.reason == reason);
                if !known {
                    let escaped = crate::log::escape(&reason);
                    tracing::error!(tenant = &*self.name, "instances do not start: {escaped}");
                }
                self.note_error(&reason);
                self.failing.store(true, Ordering::Relaxed);
                *failure = Some(Failure {
                    at: Instant::now(),
                    reason,
                });
                Err(())
            }
        }
    }

    /// Starts the crew, where that must succeed.
    ///
    /// # Errors
    ///
    /// Why it does not start.
    pub(crate) async fn open(self: &Arc<Tenant>) -> Result<(), StartError> {
        let crew = Crew::start(self, self.terms()).await?;
        self.crew.store(Some(Arc::new(crew)));
        Ok(())
    }

    /// The crew, if there is one.
    pub(crate) fn present_crew(&self) -> Option<Arc<Crew>> {
        self.crew.load_full()
    }

    /// Gives up the instances after they have answered and published everything.
    /// The next request starts others, also meanwhile.
    pub(crate) async fn rest(&self) {
        if let Some(crew) = self.crew.swap(None) {
            // Another crew may have a place of its own before this one has ended.
            let place = self.hold(None);
            crew.dismiss().await;
            drop(place);
        }
    }

    /// Keeps a place; returns the one before.
    fn hold(&self, place: Option<awake::Place>) -> Option<awake::Place> {
        let mut held = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut held, place)
    }

    /// How often it had to wait for a place among those who have instances.
    pub(crate) fn waited(&self) -> u64 {
        self.waited.load(Ordering::Relaxed)
    }

    fn used_now(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_used.store(now, Ordering::Relaxed);
    }

    /// How long there has been no request.
    pub(crate) fn idle(&self) -> Duration {
        if self.in_flight() > 0 {
            return Duration::ZERO;
        }
        let last = Duration::from_millis(self.last_used.load(Ordering::Relaxed));
        self.born.elapsed().saturating_sub(last)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests that were one too many.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// Whether its instances do not start.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Whether there was a request, or instances.
    pub(crate) fn was_used(&self) -> bool {
        self.last_used.load(Ordering::Relaxed) > 0 || self.present_crew().is_some()
    }

    /// Keeps what went wrong last, for the operator.
    pub(crate) fn note_error(&self, error: &str) {
        let error = crate::log::escape(error.get(..limits::ERROR_BYTES).unwrap_or(error));
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        let error = self.last_error.lock();
        error.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.tenant.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.tenant.used_now();
    }
}
