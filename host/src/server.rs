//! A server from its start to its end.

use crate::admin::{self, Operator};
use crate::component::Components;
use crate::config::{ConfigError, Configuration, Options};
use crate::connection::Shared;
use crate::edge::{Edge, EdgeOptions};
use crate::lock::Holder;
use crate::reception::Reception;
use crate::tenant::{self, Landlord};
use crate::{limits, listener};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

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
    /// Certificate and key cannot be used.
    Tls(String),
    /// A component does not load or start.
    Component(String),
    /// The system gives no thread.
    Thread(io::Error),
    /// The process has confined itself and cannot get there.
    OutOfReach(String),
    /// One of many tenants cannot be served.
    Tenant(String, Box<StartError>),
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
            StartError::Tls(reason) => {
                write!(
                    f,
                    "HTTPS is not possible: {reason}; see TLS_CERT and TLS_KEY"
                )
            }
            StartError::Component(reason) => write!(f, "the component does not start: {reason}"),
            StartError::Thread(error) => write!(f, "a worker does not start: {error}"),
            StartError::OutOfReach(reason) => f.write_str(reason),
            StartError::Tenant(name, error) => write!(f, "tenant {name:?}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl StartError {
    /// Whether another server has a directory that this one was told to use.
    pub fn is_locked(&self) -> bool {
        match self {
            StartError::Locked { .. } => true,
            StartError::Tenant(_, error) => error.is_locked(),
            _ => false,
        }
    }
}

/// A server that serves.
pub struct RunningServer {
    address: SocketAddr,
    /// Where the operator may look, if there is such a place.
    admin: Option<SocketAddr>,
    /// Tells connections and listeners to end.
    closing: watch::Sender<bool>,
    edge: Arc<Edge>,
    landlord: Arc<Landlord>,
    configuration: Configuration,
    /// Its threads serve connections as long as this is there.
    _reception: Arc<Reception>,
}

impl Server {
    /// Starts a server on the address that the options name. They come from the
    /// configuration, which is read again to reload it.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from serving.
    pub async fn start(
        options: Options,
        configuration: Configuration,
    ) -> Result<RunningServer, StartError> {
        let listener = listener::bind(options.bind, options.port).map_err(|error| {
            let bind = options
                .bind
                .map_or("all interfaces".to_owned(), |ip| ip.to_string());
            StartError::Listen(format!("{bind}, port {}", options.port), error)
        });
        let edge = open_edge(&options.edge)?;
        let components = Components::start(options.cache_dir.clone()).map_err(does_not_start)?;
        let landlord = Landlord::open(components, &options).await;
        // The directory's other owner is the better explanation of a used port.
        let landlord = Arc::new(landlord?);
        Server::start_on(listener?, edge, landlord, &options, configuration).await
    }

    async fn start_on(
        listener: TcpListener,
        edge: Arc<Edge>,
        landlord: Arc<Landlord>,
        options: &Options,
        configuration: Configuration,
    ) -> Result<RunningServer, StartError> {
        let address = listener.local_addr();
        let address =
            address.map_err(|error| StartError::Listen("an unknown address".to_owned(), error))?;
        let tenants = Arc::clone(landlord.directory());
        for tenant in tenants.load().all() {
            tenant.premises.announce(address)?;
        }
        let (closing, close) = watch::channel(false);
        let reception = match tenants.load().only() {
            Some(tenant) => {
                tenant.open().await?;
                Reception::at_workers(Arc::clone(tenant))
            }
            None => Reception::at_the_front().map_err(StartError::Thread)?,
        };
        let reception = Arc::new(reception);
        let shared = Arc::new(Shared {
            tenants: Arc::clone(&tenants),
            edge: Arc::clone(&edge),
        });
        let operator = Operator {
            landlord: Arc::clone(&landlord),
            configuration: configuration.clone(),
            address,
            edge: Arc::clone(&edge),
        };
        let admin = match &options.admin {
            Some(options) => Some(admin::start(options, operator, close.clone())?),
            None => None,
        };
        tokio::spawn(listener::accept(
            listener,
            shared,
            Arc::clone(&reception),
            close.clone(),
        ));
        tokio::spawn(tenant::watch_idle(tenants, landlord.awake(), close));
        Ok(RunningServer {
            address,
            admin,
            closing,
            edge,
            landlord,
            configuration,
            _reception: reception,
        })
    }
}

/// The edge, with as many descriptors as its connections need, as far as the
/// system lets the process have them, and its certificate looked after.
fn open_edge(options: &EdgeOptions) -> Result<Arc<Edge>, StartError> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = u64::from(options.max_connections) + limits::OTHER_DESCRIPTORS;
    let mut files = getrlimit(Resource::Nofile);
    if files.current.is_some_and(|current| current < wanted) {
        files.current = files.maximum;
        // What it was is still there otherwise.
        let _ = setrlimit(Resource::Nofile, files);
    }
    let files = getrlimit(Resource::Nofile).current;
    if let Some(files) = files.filter(|files| *files < wanted) {
        let connections = options.max_connections;
        tracing::warn!(
            files,
            connections,
            "fewer open files than MAX_CONNECTIONS needs; raise the limit (ulimit -n)"
        );
    }
    let edge = Edge::new(options.clone()).map_err(|error| StartError::Tls(error.to_string()))?;
    if let Some(tls) = edge.tls() {
        tokio::spawn(Arc::clone(tls).watch());
    }
    Ok(Arc::new(edge))
}

fn does_not_start(error: wasmtime::Error) -> StartError {
    StartError::Component(format!("{error:#}"))
}

impl RunningServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the operator's requests are answered.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Reads the configuration again and takes it on, whole or not at all.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it. The one before stays.
    pub async fn reload(&self) -> Result<String, ConfigError> {
        admin::reload(&self.landlord, &self.configuration, self.address).await
    }

    /// Stops accepting, finishes the requests in flight within ten seconds,
    /// publishes everything and ends.
    pub async fn shutdown(self) {
        self.closing.send_replace(true);
        if timeout(limits::GRACE, self.edge.lobby.empty())
            .await
            .is_err()
        {
            tracing::warn!("requests are still in flight; leaving them");
        }
        self.landlord.close().await;
    }
}
