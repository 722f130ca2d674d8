//! What a server needs of the system once it serves.

use crate::config::{Configuration, Options};
use std::path::PathBuf;

/// What the process must be able to reach once it is confined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Directories in which it makes, changes and removes files. Those that are
    /// missing are made.
    pub write: Vec<PathBuf>,
    /// Files that it reads again later. They may be replaced by then, so that
    /// all files of their directories are within reach.
    pub read: Vec<PathBuf>,
    /// TCP ports to listen on; 0 for any free one.
    pub ports: Vec<u16>,
}

impl Reach {
    /// What these options need, and the configuration they were read from. With a
    /// table of tenants, new ones may come to the directory where tenants have
    /// theirs.
    pub fn of(options: &Options, configuration: &Configuration) -> Reach {
        let root = options.data_root.clone();
        let data_dirs = options.tenants.iter().map(|tenant| &tenant.data_dir);
        let elsewhere = data_dirs
            .filter(|directory| {
                !root
                    .as_ref()
                    .is_some_and(|root| directory.starts_with(root))
            })
            .cloned();
        let components = options.tenants.iter();
        let components = components.filter_map(|tenant| tenant.component.file.clone());
        let tls = options.edge.tls.iter();
        let tls = tls.flat_map(|files| [files.cert.clone(), files.key.clone()]);
        let admin = options.admin.as_ref().map(|admin| admin.bind.port());
        Reach {
            write: elsewhere
                .chain(root.clone())
                .chain(options.cache_dir.clone())
                .collect(),
            read: configuration
                .file
                .iter()
                .cloned()
                .chain(components)
                .chain(tls)
                .collect(),
            ports: std::iter::once(options.port).chain(admin).collect(),
        }
    }
}
