//! From one configuration to the next, without losing a request.
//!
//! 1. Everything new is made beside what is there: directories are locked,
//!    components compiled, crews started. If anything fails, it is dropped and
//!    nothing has changed.
//! 2. The new takes the place of the old: from then on requests find it.
//! 3. What is not needed any more publishes and ends, when the last request that
//!    found it is answered.

use super::{Awake, Crew, Directory, Premises, Tenant, TenantOptions, Terms};
use crate::budget::Budget;
use crate::component::Components;
use crate::config::{ConfigError, Options};
use crate::confine::Roots;
use crate::limits;
use crate::server::StartError;
use arc_swap::ArcSwap;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// What a reload has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Changes {
    pub(crate) added: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) removed: Vec<String>,
}

impl Changes {
    pub(crate) fn json(&self) -> String {
        // Strings always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Takes tenants in and lets them go.
pub(crate) struct Landlord {
    components: Arc<Components>,
    directory: Arc<ArcSwap<Directory>>,
    bodies: Budget,
    awake: Awake,
    /// Where directories can be.
    roots: Roots,
    /// One change at a time.
    estate: Mutex<Estate>,
}

#[derive(Default)]
struct Estate {
    /// Whoever was removed or replaced and is not gone yet.
    leaving: Vec<JoinHandle<()>>,
    /// Directories that are ours, also of those who are leaving.
    premises: BTreeMap<PathBuf, Weak<Premises>>,
}

impl Estate {
    /// A directory: ours already, or taken now.
    fn premises(
        &mut self,
        data_dir: &Path,
        address: Option<SocketAddr>,
    ) -> Result<Arc<Premises>, StartError> {
        if let Some(premises) = self.premises.get(data_dir).and_then(Weak::upgrade) {
            return Ok(premises);
        }
        let premises = Arc::new(Premises::take(data_dir)?);
        if let Some(address) = address {
            premises.announce(address)?;
        }
        self.premises
            .retain(|_, premises| premises.strong_count() > 0);
        self.premises
            .insert(data_dir.to_owned(), Arc::downgrade(&premises));
        Ok(premises)
    }
}

/// A tenant's new terms, not yet in force.
struct Successor {
    tenant: Arc<Tenant>,
    terms: Arc<Terms>,
    /// Where instances are there now.
    crew: Option<Arc<Crew>>,
}

impl Landlord {
    /// Takes in the first tenants.
    ///
    /// # Errors
    ///
    /// The first that cannot be served.
    pub(crate) async fn open(
        components: Components,
        options: &Options,
    ) -> Result<Landlord, StartError> {
        let landlord = Landlord {
            components: Arc::new(components),
            directory: Arc::default(),
            bodies: Budget::new(limits::ALL_BODY_BYTES_IN_FLIGHT),
            awake: Awake::new(options.awake_tenants),
            roots: options.roots.clone(),
            estate: Mutex::default(),
        };
        let mut tenants = Vec::with_capacity(options.tenants.len());
        for wanted in &options.tenants {
            let failed = |error| match options.hosting {
                true => StartError::Tenant(wanted.name.clone(), Box::new(error)),
                false => error,
            };
            let terms = landlord.terms(wanted).await.map_err(failed)?;
            let mut estate = landlord.estate.lock().await;
            let premises = estate.premises(&wanted.data_dir, None).map_err(failed)?;
            let tenant = Tenant::new(premises, terms, &landlord.bodies, &landlord.awake);
            tenants.push(Arc::new(tenant));
        }
        let directory = match tenants.pop() {
            Some(only) if !options.hosting => Directory::of_one(only),
            last => Directory::of_many(tenants.into_iter().chain(last)),
        };
        landlord.directory.store(Arc::new(directory));
        Ok(landlord)
    }

    /// The places of those who have instances.
    pub(crate) fn awake(&self) -> Awake {
        self.awake.clone()
    }

    pub(crate) fn directory(&self) -> &Arc<ArcSwap<Directory>> {
        &self.directory
    }

    async fn terms(&self, options: &TenantOptions) -> Result<Terms, StartError> {
        let components = Arc::clone(&self.components);
        let wanted = options.component.clone();
        // Compiling takes seconds of a processor.
        let loaded = tokio::task::spawn_blocking(move || components.load(&wanted)).await;
        let component = loaded
            .map_err(|error| StartError::Component(error.to_string()))?
            .map_err(|error| StartError::Component(format!("{error:#}")))?;
        Ok(Terms {
            options: options.clone(),
            component,
        })
    }

    /// What is configured for each tenant now.
    pub(crate) fn current(&self) -> Vec<TenantOptions> {
        let directory = self.directory.load();
        let terms = directory.all().map(|tenant| tenant.terms());
        terms.map(|terms| terms.options.clone()).collect()
    }

    /// Takes on other tenants, all or none. `hosting` says whether they come from a
    /// table of tenants, `address` where the server listens.
    ///
    /// # Errors
    ///
    /// What is in its way.
    pub(crate) async fn reload(
        &self,
        wanted: Vec<TenantOptions>,
        hosting: bool,
        address: SocketAddr,
    ) -> Result<Changes, ConfigError> {
        let mut estate = self.estate.lock().await;
        let before = self.directory.load_full();
        if !hosting || before.only().is_some() {
            let detail = "only a table of tenants can be reloaded; restart the server to begin or \
                          end having one";
            return Err(detail.to_owned().into());
        }
        let mut changes = Changes::default();
        let mut tenants = Vec::with_capacity(wanted.len());
        let mut successors = Vec::new();
        for wanted in &wanted {
            let failed = |error| ConfigError::from(format!("tenant {:?}: {error}", wanted.name));
            let terms = self.terms(wanted).await.map_err(failed)?;
            let known = before.get(&wanted.name);
            match known.filter(|known| known.premises.data_dir == wanted.data_dir) {
                Some(known) => {
                    if !known.terms().are(&terms) {
                        let successor = Successor::prepare(known, terms).await;
                        successors.push(successor.map_err(failed)?);
                        changes.changed.push(wanted.name.clone());
                    }
                    tenants.push(Arc::clone(known));
                }
                None => {
                    let reached = self.roots.reach(&wanted.data_dir);
                    reached.map_err(|reason| failed(StartError::OutOfReach(reason)))?;
                    let premises = estate.premises(&wanted.data_dir, Some(address));
                    let premises = premises.map_err(failed)?;
                    let tenant = Tenant::new(premises, terms, &self.bodies, &self.awake);
                    tenants.push(Arc::new(tenant));
                    changes.added.push(wanted.name.clone());
                }
            }
        }
        let gone: Vec<Arc<Tenant>> = before
            .all()
            .filter(|old| !tenants.iter().any(|new| Arc::ptr_eq(old, new)))
            .map(Arc::clone)
            .collect();
        changes.removed = gone.iter().map(|tenant| tenant.name.to_string()).collect();
        // From here on nothing fails.
        let replaced: Vec<_> = successors
            .into_iter()
            .filter_map(Successor::succeed)
            .collect();
        self.directory.store(Arc::new(Directory::of_many(tenants)));
        let leaving = &mut estate.leaving;
        leaving.retain(|one| !one.is_finished());
        leaving.extend(
            replaced
                .into_iter()
                .map(|crew| tokio::spawn(crew.dismiss())),
        );
        leaving.extend(gone.into_iter().map(|tenant| {
            tokio::spawn(async move {
                tenant.rest().await;
                tracing::info!(tenant = &*tenant.name, "removed");
            })
        }));
        self.forget_components();
        Ok(changes)
    }

    fn forget_components(&self) {
        let directory = self.directory.load();
        let used: Vec<_> = directory
            .all()
            .map(|tenant| tenant.terms().component.identity.clone())
            .collect();
        self.components.keep(&used);
    }

    /// Lets every tenant publish what it holds, and waits for that.
    pub(crate) async fn close(&self) {
        let mut leaving = std::mem::take(&mut self.estate.lock().await.leaving);
        for tenant in self.directory.load().all() {
            if let Some(crew) = tenant.present_crew() {
                leaving.push(tokio::spawn(async move { crew.end().await }));
            }
        }
        for one in leaving {
            // A panic was reported by the panic hook.
            let _ = one.await;
        }
    }
}

impl Terms {
    /// Whether these are the same terms.
    fn are(&self, other: &Terms) -> bool {
        self.options == other.options && self.component.identity == other.component.identity
    }
}

impl Successor {
    /// Starts new instances beside those that serve, if any do.
    async fn prepare(tenant: &Arc<Tenant>, terms: Terms) -> Result<Successor, StartError> {
        let terms = Arc::new(terms);
        let crew = match tenant.present_crew() {
            Some(_) => Some(Arc::new(Crew::start(tenant, Arc::clone(&terms)).await?)),
            None => None,
        };
        Ok(Successor {
            tenant: Arc::clone(tenant),
            terms,
            crew,
        })
    }

    /// Brings the terms into force. Returns the crew that is not needed any more.
    fn succeed(self) -> Option<Arc<Crew>> {
        let Successor {
            tenant,
            terms,
            crew,
        } = self;
        tenant.terms.store(terms);
        tenant.apply_bounds();
        // One that was started meanwhile has the old terms.
        tenant.crew.swap(crew)
    }
}
