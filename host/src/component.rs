//! Which components run, and the engine they run in.

use crate::state::State;
use crate::tenant::ComponentOptions;
use crate::worker::{CollectorPre, ServicePre};
use crate::{embedded, engine, limits, linker};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Result, format_err};

mod cache;

pub(crate) use cache::Cache;

/// An engine whose epoch advances for as long as anybody holds it.
#[derive(Clone)]
pub(crate) struct TickingEngine {
    engine: Engine,
    _ticking: Arc<()>,
}

impl TickingEngine {
    /// Starts the engine and its clock, a thread of its own: a thread that runs
    /// Wasm could not interrupt itself.
    pub(crate) fn start() -> Result<TickingEngine> {
        let engine = Engine::new(&engine::config())?;
        let ticking = Arc::new(());
        let held = Arc::downgrade(&ticking);
        let ticked = engine.clone();
        std::thread::Builder::new()
            .name("epoch".to_owned())
            .stack_size(64 << 10)
            .spawn(move || tick(&ticked, &held))?;
        Ok(TickingEngine {
            engine,
            _ticking: ticking,
        })
    }
}

fn tick(engine: &Engine, held: &Weak<()>) {
    while held.strong_count() > 0 {
        std::thread::sleep(limits::EPOCH);
        engine.increment_epoch();
    }
}

/// Which code a component is: two files with the same content are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Identity {
    /// What this executable contains.
    Embedded,
    /// The SHA-256 of a file, in hexadecimal.
    File(String),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Embedded => f.write_str("embedded"),
            Identity::File(digest) => f.write_str(digest),
        }
    }
}

/// A component that instances can be made of.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) identity: Identity,
    pub(crate) code: InstancePre<State>,
    /// Whether it has the interfaces of a collector; any other is served through
    /// `wasi:http/handler` alone.
    pub(crate) is_collector: bool,
}

/// All components in use, each compiled once.
pub(crate) struct Components {
    engine: TickingEngine,
    linker: Linker<State>,
    cache: Option<Cache>,
    loaded: Mutex<BTreeMap<Identity, Loaded>>,
}

impl Components {
    /// Starts the engine. `cache_dir` is where compiled code is kept.
    ///
    /// # Errors
    ///
    /// The directory is not safe to take code from, or the system refuses.
    pub(crate) fn start(cache_dir: Option<PathBuf>) -> Result<Components> {
        let engine = TickingEngine::start()?;
        Ok(Components {
            linker: linker::linker(&engine.engine)?,
            cache: cache_dir.map(Cache::open).transpose()?,
            loaded: Mutex::default(),
            engine,
        })
    }

    /// The component that is configured. Compiling one takes seconds.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, is not the one that was pinned, is no
    /// component, needs what is not offered or does not handle HTTP.
    pub(crate) fn load(&self, options: &ComponentOptions) -> Result<Loaded> {
        let Some(file) = &options.file else {
            return self.loaded(Identity::Embedded, || embedded(&self.engine.engine));
        };
        let place = file.display();
        let wasm = std::fs::read(file).map_err(|error| format_err!("{place}: {error}"))?;
        let digest = hexadecimal(&Sha256::digest(&wasm));
        if let Some(pinned) = &options.sha256
            && *pinned != digest
        {
            return Err(format_err!(
                "{place} is not the component that was pinned: its SHA-256 is {digest}, not {pinned}"
            ));
        }
        self.loaded(Identity::File(digest.clone()), || {
            self.compile(&digest, &wasm)
        })
        .map_err(|error| error.context(format!("{place} cannot be served")))
    }

    fn loaded(
        &self,
        identity: Identity,
        make: impl FnOnce() -> Result<Component>,
    ) -> Result<Loaded> {
        // Held while it compiles, so that nothing is compiled twice.
        let mut known = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = known.get(&identity) {
            return Ok(loaded.clone());
        }
        let code = self.linker.instantiate_pre(&make()?)?;
        ServicePre::new(code.clone())?;
        let loaded = Loaded {
            identity: identity.clone(),
            is_collector: CollectorPre::new(code.clone()).is_ok(),
            code,
        };
        known.insert(identity, loaded.clone());
        Ok(loaded)
    }

    /// Forgets all components but these.
    pub(crate) fn keep(&self, used: &[Identity]) {
        let mut known = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|identity, _| used.contains(identity));
    }

    fn compile(&self, digest: &str, wasm: &[u8]) -> Result<Component> {
        let engine = &self.engine.engine;
        if let Some(cache) = &self.cache
            && let Some(component) = cache.get(engine, digest)
        {
            tracing::debug!(component = digest, "compiled code found");
            return Ok(component);
        }
        tracing::info!(component = digest, "compiling a component");
        let began = Instant::now();
        let component = Component::new(engine, wasm)?;
        let seconds = began.elapsed().as_secs_f32();
        tracing::info!(component = digest, seconds, "compiled a component");
        if let Some(cache) = &self.cache
            && let Err(error) = cache.put(engine, digest, &component)
        {
            tracing::warn!("the compiled component cannot be kept: {error:#}");
        }
        Ok(component)
    }
}

fn embedded(engine: &Engine) -> Result<Component> {
    embedded::load(engine).or_else(|reason| {
        tracing::warn!(
            reason = %format_args!("{reason:#}"),
            "the precompiled component does not fit this machine; compiling it, which takes seconds"
        );
        let start = Instant::now();
        let component = Component::new(engine, embedded::WASM)?;
        tracing::info!(
            seconds = start.elapsed().as_secs_f32(),
            "compiled the component"
        );
        Ok(component)
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::linker::is_allowed;

    #[test]
    fn the_precompiled_component_fits_the_machine_that_built_it() {
        let engine = Engine::new(&engine::config()).unwrap();
        embedded::load(&engine).unwrap();
    }

    #[test]
    fn the_component_imports_nothing_beyond_the_written_list() {
        let engine = Engine::new(&engine::config()).unwrap();
        let component = embedded::load(&engine).unwrap();
        let beyond: Vec<String> = component
            .component_type()
            .imports(&engine)
            .map(|(name, _)| name.to_owned())
            .filter(|name| !is_allowed(name))
            .collect();
        assert!(beyond.is_empty(), "not on the list: {beyond:?}");
    }

    #[test]
    fn the_embedded_component_is_a_collector_and_loaded_once() {
        let components = Components::start(None).unwrap();
        let options = ComponentOptions::default();
        assert!(components.load(&options).unwrap().is_collector);
        assert_eq!(components.loaded.lock().unwrap().len(), 1);
        components.load(&options).unwrap();
        assert_eq!(components.loaded.lock().unwrap().len(), 1);
        components.keep(&[]);
        assert_eq!(components.loaded.lock().unwrap().len(), 0);
    }

    #[test]
    fn a_file_is_refused_that_is_not_the_pinned_one_or_no_component() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.wasm");
        std::fs::write(&file, embedded::WASM).unwrap();
        let components = Components::start(None).unwrap();
        let load = |sha256: Option<&str>| {
            components.load(&ComponentOptions {
                file: Some(file.clone()),
                sha256: sha256.map(str::to_owned),
            })
        };
        let error = format!("{:#}", load(Some(&"0".repeat(64))).err().unwrap());
        assert!(
            error.contains("not the component that was pinned"),
            "{error}"
        );
        std::fs::write(&file, b"(component)").unwrap();
        let error = format!("{:#}", load(None).err().unwrap());
        assert!(error.contains("c.wasm cannot be served"), "{error}");
    }
}
