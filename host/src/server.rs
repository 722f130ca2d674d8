//! A server from its start to its end.

use crate::budget::Budget;
use crate::config::Options;
use crate::connection::{self, Shared};
use crate::dispatch::Workers;
use crate::lock::{Holder, Lock, LockError};
use crate::metrics::Meters;
use crate::retention::Retention;
use crate::worker::{self, Roster, Seat};
use crate::{component, limits, linker, listener};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

/// The one tenant of a server that was not told of others.
const TENANT: &str = "default";

/// Starts servers.
pub struct Server;

/// Why a server does not start.
#[derive(Debug)]
pub enum StartError {
    /// Another server has the data directory.
    Locked {
        /// `DATA_DIR`
        data_dir: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// The data directory cannot be used.
    DataDir(PathBuf, io::Error),
    /// Nothing can be bound to the address.
    Listen(String, io::Error),
    /// The component does not load or start.
    Component(String),
    /// The system gives no thread.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Locked { data_dir, holder } => write!(
                f,
                "the data directory {} belongs to {holder}; stop that server, or give this one \
                 another DATA_DIR",
                data_dir.display()
            ),
            StartError::DataDir(path, error) => {
                write!(
                    f,
                    "the data directory {} cannot be used: {error}",
                    path.display()
                )
            }
            StartError::Listen(address, error) => {
                write!(f, "cannot listen on {address}: {error}; see BIND and PORT")
            }
            StartError::Component(reason) => write!(f, "the component does not start: {reason}"),
            StartError::Thread(error) => write!(f, "a worker does not start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A server that serves.
pub struct RunningServer {
    address: SocketAddr,
    /// Tells connections and listener to end.
    closing: watch::Sender<bool>,
    /// Tells workers to publish and end.
    stopping: watch::Sender<bool>,
    connections: Arc<Semaphore>,
    roster: Arc<Roster>,
    /// Closed when all workers have ended.
    ended: mpsc::Receiver<()>,
    _engine: component::TickingEngine,
    _lock: Lock,
}

/// How often a stop looks whether the recovery is done.
const RECOVERY_LOOK: Duration = Duration::from_millis(10);

impl Server {
    /// Starts a server on the address that the options name.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from serving.
    pub async fn start(options: Options) -> Result<RunningServer, StartError> {
        let listener = listener::bind(options.bind, options.port).map_err(|error| {
            let bind = options
                .bind
                .map_or("all interfaces".to_owned(), |ip| ip.to_string());
            StartError::Listen(format!("{bind}, port {}", options.port), error)
        });
        // The directory's other owner is the better explanation of a used port.
        let lock = lock(&options.data_dir)?;
        Server::start_on(listener?, lock, options).await
    }

    async fn start_on(
        listener: TcpListener,
        mut lock: Lock,
        options: Options,
    ) -> Result<RunningServer, StartError> {
        let address = listener
            .local_addr()
            .and_then(|address| lock.announce(address).map(|()| address))
            .map_err(|error| StartError::DataDir(options.data_dir.clone(), error))?;
        let engine = component::TickingEngine::start().map_err(does_not_start)?;
        let (stopping, stop) = watch::channel(false);
        let roster = Arc::new(Roster::default());
        let (end, ended) = mpsc::channel(1);
        let workers = start_workers(&options, &engine, &roster, &stop, &end).await?;
        let meters = workers.0.iter().map(|worker| Arc::clone(&worker.meter));
        let meters = Meters::new(meters.collect());
        workers.recover();
        let shared = Arc::new(Shared {
            options,
            workers,
            roster: Arc::clone(&roster),
            budget: Budget::new(limits::BODY_BYTES_IN_FLIGHT),
            meters,
            http: connection::http(),
        });
        let (closing, close) = watch::channel(false);
        let connections = Arc::new(Semaphore::new(limits::CONNECTIONS));
        tokio::spawn(listener::accept(
            listener,
            shared,
            Arc::clone(&connections),
            close,
        ));
        Ok(RunningServer {
            address,
            closing,
            stopping,
            connections,
            roster,
            ended,
            _engine: engine,
            _lock: lock,
        })
    }
}

fn lock(data_dir: &Path) -> Result<Lock, StartError> {
    std::fs::create_dir_all(data_dir)
        .map_err(LockError::Io)
        .and_then(|()| Lock::take(data_dir))
        .map_err(|error| match error {
            LockError::Held(holder) => StartError::Locked {
                data_dir: data_dir.to_owned(),
                holder,
            },
            LockError::Io(error) => StartError::DataDir(data_dir.to_owned(), error),
        })
}

fn does_not_start(error: wasmtime::Error) -> StartError {
    StartError::Component(format!("{error:#}"))
}

async fn start_workers(
    options: &Options,
    engine: &component::TickingEngine,
    roster: &Arc<Roster>,
    stop: &watch::Receiver<bool>,
    end: &mpsc::Sender<()>,
) -> Result<Workers, StartError> {
    let engine = engine.engine();
    let component = component::load(engine, options.component.as_deref())
        .and_then(|component| linker::linker(engine)?.instantiate_pre(&component))
        .map_err(does_not_start)?;
    let retention = Retention::new(options.data_dir.clone(), options.min_free_bytes);
    let retention = Arc::new(retention);
    let mut workers = Vec::with_capacity(options.workers);
    let mut starting = Vec::with_capacity(options.workers);
    for number in 0..options.workers {
        let (worker, inbox, visits) = worker::channels();
        let seat = Seat {
            tenant: TENANT.to_owned(),
            worker: number,
            component: component.clone(),
            data_dir: options.data_dir.clone(),
            vars: options.vars.clone(),
            roster: Arc::clone(roster),
            load: Arc::clone(&worker.load),
            meter: Arc::clone(&worker.meter),
            retention: Arc::clone(&retention),
            jobs: worker.jobs(),
            stop: stop.clone(),
        };
        let (ready, started) = oneshot::channel();
        worker::spawn(seat, inbox, visits, ready, end.clone()).map_err(StartError::Thread)?;
        workers.push(worker);
        starting.push(started);
    }
    for started in starting {
        started
            .await
            .map_err(|_| StartError::Component("its thread ended".to_owned()))?
            .map_err(does_not_start)?;
    }
    Ok(Workers(workers))
}

impl RunningServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, finishes the requests in flight within ten seconds,
    /// publishes everything and ends.
    pub async fn shutdown(mut self) {
        self.closing.send_replace(true);
        let all = u32::try_from(limits::CONNECTIONS).unwrap_or(u32::MAX);
        if timeout(limits::GRACE, self.connections.acquire_many(all))
            .await
            .is_err()
        {
            tracing::warn!("requests are still in flight; leaving them");
        }
        // Journals of a server that was killed are to be published too.
        let recovered = async {
            while !self.roster.is_recovered() {
                tokio::time::sleep(RECOVERY_LOOK).await;
            }
        };
        if timeout(limits::GRACE, recovered).await.is_err() {
            tracing::warn!("recovery is not done; the next start goes on with it");
        }
        self.stopping.send_replace(true);
        let patience = limits::GRACE + limits::DRAIN_TIME + Duration::from_secs(5);
        if timeout(patience, self.ended.recv()).await.is_err() {
            tracing::error!("a worker does not end; what it holds is in the journal");
        }
    }
}
