//! Which component runs, and the engine it runs in.

use crate::embedded;
use crate::{engine, limits};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Instant;
use wasmtime::component::Component;
use wasmtime::{Engine, Result};

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

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

fn tick(engine: &Engine, held: &Weak<()>) {
    while held.strong_count() > 0 {
        std::thread::sleep(limits::EPOCH);
        engine.increment_epoch();
    }
}

/// The component in `file`, else the embedded one.
///
/// # Errors
///
/// Where the file cannot be read or is no component.
pub(crate) fn load(engine: &Engine, file: Option<&Path>) -> Result<Component> {
    if let Some(path) = file {
        tracing::info!(component = %path.display(), "compiling the component");
        return Component::from_file(engine, path);
    }
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
}
