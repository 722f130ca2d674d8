//! How many requests, and how many bytes, in how long: by the generic cell rate
//! algorithm (GCRA), which allows a burst and then a steady rate.

use super::client::ClientKey;
use super::options::RateOptions;
use crate::limits;
use arc_swap::ArcSwap;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{NotUntil, Quota, RateLimiter};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderName};
use http::{HeaderMap, HeaderValue};
use netwatch_guest::metrics::instruments::Counter;
use netwatch_guest::problem::Problem;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many a second, after a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) per_second: NonZeroU32,
    pub(crate) burst: NonZeroU32,
}

impl Rate {
    fn quota(self) -> Quota {
        Quota::per_second(self.per_second).allow_burst(self.burst)
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Client,
    Requests,
    Bytes,
}

/// A request too many: until when, and by which policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exceeded {
    policy: Policy,
    rate: Rate,
    wait: Duration,
}

type Instants = <DefaultClock as Clock>::Instant;
type Direct = RateLimiter<NotKeyed, InMemoryState, DefaultClock, NoOpMiddleware<Instants>>;
type ByClient = RateLimiter<ClientKey, Clients, DefaultClock, NoOpMiddleware<Instants>>;

/// Requests of each client.
pub(crate) struct ClientRates {
    limiter: ByClient,
    rate: Rate,
    /// When clients were last forgotten.
    swept: Mutex<Instant>,
    clock: DefaultClock,
}

impl ClientRates {
    pub(crate) fn new(rate: Rate) -> ClientRates {
        let clock = DefaultClock::default();
        ClientRates {
            limiter: RateLimiter::new(rate.quota(), Clients::default(), clock.clone()),
            rate,
            swept: Mutex::new(Instant::now()),
            clock,
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    ///
    /// Where the client has had as many as it may.
    pub(crate) fn check(&self, client: ClientKey) -> Result<(), Exceeded> {
        let checked = self.limiter.check_key(&client);
        if self.limiter.len() >= limits::RATED_CLIENTS {
            self.sweep();
        }
        checked.map_err(|until| exceeded(Policy::Client, self.rate, &until, &self.clock))
    }

    /// Forgets clients that have been quiet: they are as good as new.
    fn sweep(&self) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.elapsed() >= limits::RATE_SWEEP {
            *swept = Instant::now();
            self.limiter.retain_recent();
        }
    }
}

/// When each client may come again, of so many clients at most: a flood of
/// addresses must not take the memory. Those for whom there is no room share what
/// one client may have.
#[derive(Default)]
struct Clients {
    known: Mutex<HashMap<ClientKey, Nanos>>,
    others: InMemoryState,
}

impl Clients {
    fn known(&self) -> MutexGuard<'_, HashMap<ClientKey, Nanos>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Clients {
    type Key = ClientKey;

    fn measure_and_replace<T, F, E>(&self, client: &ClientKey, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut known = self.known();
        if let Some(next) = known.get_mut(client) {
            let (outcome, then) = measure(Some(*next))?;
            *next = then;
            return Ok(outcome);
        }
        if known.len() >= limits::RATED_CLIENTS {
            return self.others.measure_and_replace(&NotKeyed::NonKey, measure);
        }
        let (outcome, then) = measure(None)?;
        known.insert(*client, then);
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<ClientKey> for Clients {
    fn retain_recent(&self, drop_below: Nanos) {
        self.known().retain(|_, next| *next > drop_below);
    }

    fn shrink_to_fit(&self) {
        self.known().shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.known().len()
    }

    fn is_empty(&self) -> bool {
        self.known().is_empty()
    }
}

/// Requests and bytes of one tenant.
pub(crate) struct TenantRates {
    limiters: ArcSwap<Limiters>,
    refused_requests: Counter,
    refused_bytes: Counter,
    clock: DefaultClock,
}

struct Limiters {
    options: RateOptions,
    requests: Option<(Direct, Rate)>,
    bytes: Option<(Direct, Rate)>,
}

impl Limiters {
    fn new(options: RateOptions) -> Limiters {
        let limiter = |rate: Rate| (RateLimiter::direct(rate.quota()), rate);
        Limiters {
            options,
            requests: options.requests.map(limiter),
            bytes: options.bytes.map(limiter),
        }
    }
}

impl TenantRates {
    pub(crate) fn new(options: RateOptions) -> TenantRates {
        TenantRates {
            limiters: ArcSwap::from_pointee(Limiters::new(options)),
            refused_requests: Counter::default(),
            refused_bytes: Counter::default(),
            clock: DefaultClock::default(),
        }
    }

    /// Takes on other rates. What was counted for the ones before is forgotten, if
    /// they differ.
    pub(crate) fn change(&self, options: RateOptions) {
        if self.limiters.load().options != options {
            self.limiters.store(Arc::new(Limiters::new(options)));
        }
    }

    /// Whether bytes are counted at all.
    pub(crate) fn counts_bytes(&self) -> bool {
        self.limiters.load().bytes.is_some()
    }

    /// How often requests were refused, and how often their bytes.
    pub(crate) fn refused(&self) -> (u64, u64) {
        (self.refused_requests.get(), self.refused_bytes.get())
    }

    /// Counts a request.
    ///
    /// # Errors
    ///
    /// Where the tenant has had as many as it may.
    pub(crate) fn check_request(&self) -> Result<(), Exceeded> {
        let limiters = self.limiters.load();
        let Some((limiter, rate)) = &limiters.requests else {
            return Ok(());
        };
        limiter.check().map_err(|until| {
            self.refused_requests.add(1);
            exceeded(Policy::Requests, *rate, &until, &self.clock)
        })
    }

    /// Counts bytes of a body.
    ///
    /// # Errors
    ///
    /// Where the tenant has had as many as it may, or they are more than a burst
    /// is, which no waiting helps against.
    pub(crate) fn check_bytes(&self, bytes: u64) -> Result<(), Exceeded> {
        let limiters = self.limiters.load();
        let Some((limiter, rate)) = &limiters.bytes else {
            return Ok(());
        };
        let units = u32::try_from(bytes.div_ceil(limits::RATE_UNIT)).unwrap_or(u32::MAX);
        let Some(units) = NonZeroU32::new(units) else {
            return Ok(());
        };
        let exceeded = match limiter.check_n(units) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(until)) => exceeded(Policy::Bytes, *rate, &until, &self.clock),
            Err(_) => Exceeded {
                policy: Policy::Bytes,
                rate: *rate,
                wait: rate.quota().burst_size_replenished_in(),
            },
        };
        self.refused_bytes.add(1);
        Err(exceeded)
    }
}

fn exceeded(
    policy: Policy,
    rate: Rate,
    until: &NotUntil<Instants>,
    clock: &DefaultClock,
) -> Exceeded {
    Exceeded {
        policy,
        rate,
        wait: until.wait_time_from(clock.now()),
    }
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl Exceeded {
    /// For the client.
    pub(crate) fn problem(&self) -> Problem {
        let Rate { per_second, burst } = self.rate;
        let detail = match self.policy {
            Policy::Bytes => format!(
                "{per_second} KiB a second may be posted here, and {burst} KiB at once \
                 (BYTES_PER_SECOND, BYTES_BURST); wait, or send less at once"
            ),
            Policy::Requests => format!(
                "{per_second} requests a second are taken here, and {burst} at once \
                 (REQUESTS_PER_SECOND, REQUESTS_BURST)"
            ),
            Policy::Client => format!(
                "{per_second} requests a second are taken from one client, and {burst} at once \
                 (CLIENT_REQUESTS_PER_SECOND, CLIENT_BURST)"
            ),
        };
        let mut problem = Problem::new(429, "rate", detail);
        problem.retry_after = Some(u32::try_from(self.seconds()).unwrap_or(u32::MAX));
        problem
    }

    /// Seconds to wait, rounded up.
    fn seconds(&self) -> u64 {
        self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0)
    }

    /// Adds the policy, and what is left of it, in the form of
    /// draft-ietf-httpapi-ratelimit-headers-10.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        let (name, unit, factor) = match self.policy {
            Policy::Bytes => ("bytes", ";qu=\"content-bytes\"", limits::RATE_UNIT),
            Policy::Requests => ("requests", "", 1),
            Policy::Client => ("client", "", 1),
        };
        let quota = u64::from(self.rate.burst.get()) * factor;
        let window = self.rate.quota().burst_size_replenished_in();
        let window = window.as_secs_f64().ceil().max(1.0);
        let policy = format!("\"{name}\";q={quota}{unit};w={window}");
        let left = format!("\"{name}\";r=0;t={}", self.seconds());
        for (header, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(header, value);
            }
        }
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// What pages may read of a 429.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("Retry-After, X-Request-Id, RateLimit, RateLimit-Policy");

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
