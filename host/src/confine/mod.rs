//! What the process takes away from itself, so that whoever breaks out of a
//! component and takes over the host finds little to do there.
//!
//! | when | what | by |
//! |---|---|---|
//! | before the first thread ([`begin`]) | files: only what [`Reach`] names | Landlock |
//! | | TCP: no connections, only its own ports | Landlock |
//! | | no processes, mounts, debugging, modules, … | seccomp |
//! | when it listens ([`Confinement::finish`]) | no further sockets | seccomp |
//!
//! Landlock holds for a thread and those it starts, hence before the first of
//! them. Nothing given up comes back: what a reload is to reach later must be
//! within reach from the start ([`Confinement::roots`]).
//!
//! A kernel may lack either, or somebody may have forbidden them. With
//! `CONFINE=auto` the server then runs with what there is and says so; with
//! `require` it does not start.

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;
mod reach;

pub use reach::Reach;

use crate::real_path::real_path;
use std::fmt;
use std::path::{Path, PathBuf};

/// Whether the process confines itself: `CONFINE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confine {
    /// As far as the system can.
    #[default]
    Auto,
    /// Not at all.
    Off,
    /// By Landlock and seccomp, as far as the kernel's versions of them go, or it
    /// does not start.
    Require,
}

impl Confine {
    /// What the setting says; `None` where it says nothing known.
    pub(crate) fn parse(text: &str) -> Option<Confine> {
        match text {
            "auto" => Some(Confine::Auto),
            "off" => Some(Confine::Off),
            "require" => Some(Confine::Require),
            _ => None,
        }
    }
}

/// Why something is not held.
type Lacking = String;

/// How far the process is confined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confinement {
    confine: Confine,
    roots: Roots,
    files: Result<String, Lacking>,
    calls: Result<(), Lacking>,
    sockets: Result<(), Lacking>,
}

/// A confinement that is required and cannot be had.
#[derive(Debug)]
pub struct NotConfined(Lacking);

impl fmt::Display for NotConfined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CONFINE=require cannot be kept: {}; give CONFINE=auto to run with what there is",
            self.0
        )
    }
}

impl std::error::Error for NotConfined {}

/// Confines the calling thread and all it will start. To be called before there
/// are others.
///
/// # Errors
///
/// What is lacking, where confinement is required.
pub fn begin(confine: Confine, reach: &Reach) -> Result<Confinement, NotConfined> {
    let mut confinement = Confinement {
        confine,
        roots: Roots::default(),
        files: Err("CONFINE=off".to_owned()),
        calls: Err("CONFINE=off".to_owned()),
        sockets: Err("CONFINE=off".to_owned()),
    };
    if confine == Confine::Off {
        return Ok(confinement);
    }
    confinement.files = files(reach);
    if confinement.files.is_ok() {
        let roots = reach.write.iter().map(|root| real_path(root));
        confinement.roots = Roots(Some(roots.collect()));
    }
    confinement.calls = calls();
    confinement.sockets = Err("it does not listen yet".to_owned());
    confinement.demand(&[
        confinement.files.as_ref().err(),
        confinement.calls.as_ref().err(),
    ])?;
    Ok(confinement)
}

impl Confinement {
    /// Gives up making sockets, in all threads: everything listens that ever will.
    ///
    /// # Errors
    ///
    /// What is lacking, where confinement is required.
    pub fn finish(&mut self) -> Result<(), NotConfined> {
        if self.confine != Confine::Off {
            self.sockets = sockets();
            self.demand(&[self.sockets.as_ref().err()])?;
        }
        self.report();
        Ok(())
    }

    fn demand(&self, lacking: &[Option<&Lacking>]) -> Result<(), NotConfined> {
        let mut lacking = lacking.iter().flatten();
        match lacking.next() {
            Some(lacking) if self.confine == Confine::Require => {
                Err(NotConfined((*lacking).clone()))
            }
            _ => Ok(()),
        }
    }

    /// Says in the log what holds and what does not.
    fn report(&self) {
        let files = self.files.as_deref().unwrap_or("open");
        let calls = if self.calls.is_ok() { "held" } else { "open" };
        let sockets = if self.sockets.is_ok() { "held" } else { "open" };
        tracing::info!(files, calls, sockets, "confined");
        let lacking = [
            ("files", self.files.as_ref().err()),
            ("calls", self.calls.as_ref().err()),
            ("sockets", self.sockets.as_ref().err()),
        ];
        for (what, why) in lacking {
            if let (Some(why), Confine::Auto) = (why, self.confine) {
                tracing::warn!("the process cannot confine its {what}: {why}");
            }
        }
    }

    /// Where it can still make directories.
    pub fn roots(&self) -> Roots {
        self.roots.clone()
    }
}

/// Directories below which a confined process can write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots(Option<Vec<PathBuf>>);

impl Roots {
    /// Whether a directory can be used that was not asked for at the start.
    ///
    /// # Errors
    ///
    /// A message that names the directories within reach.
    pub(crate) fn reach(&self, directory: &Path) -> Result<(), String> {
        let Some(roots) = &self.0 else {
            return Ok(());
        };
        let wanted = real_path(directory);
        if roots.iter().any(|root| wanted.starts_with(root)) {
            return Ok(());
        }
        let roots: Vec<_> = roots
            .iter()
            .map(|root| root.display().to_string())
            .collect();
        Err(format!(
            "{} is not below what the confined server can write to ({}): put it there, or restart \
             the server",
            directory.display(),
            roots.join(", ")
        ))
    }
}

#[cfg(target_os = "linux")]
fn files(reach: &Reach) -> Result<String, Lacking> {
    files::restrict(reach)
}

#[cfg(target_os = "linux")]
fn calls() -> Result<(), Lacking> {
    calls::give_up()
}

#[cfg(target_os = "linux")]
fn sockets() -> Result<(), Lacking> {
    calls::give_up_sockets()
}

#[cfg(not(target_os = "linux"))]
fn files(_: &Reach) -> Result<String, Lacking> {
    Err("there is no Landlock".to_owned())
}

#[cfg(not(target_os = "linux"))]
fn calls() -> Result<(), Lacking> {
    Err("there is no seccomp".to_owned())
}

#[cfg(not(target_os = "linux"))]
fn sockets() -> Result<(), Lacking> {
    Err("there is no seccomp".to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
