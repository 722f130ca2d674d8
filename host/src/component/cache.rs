//! Compiled components on disk.

#![allow(
    unsafe_code,
    reason = "loading machine code is unsafe; this code comes from a directory and a file that \
              belong to this process's user and that nobody else may write, which is looked at \
              each time, and its digest is checked, so that it is what this user wrote there"
)]

use sha2::{Digest, Sha256};
use std::collections::hash_map::DefaultHasher;
use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use wasmtime::component::Component;
use wasmtime::{Engine, Result, format_err};

/// A directory of compiled components: `<sha256 of the Wasm>-<engine>.cwasm`, each
/// the SHA-256 of the code, then the code.
pub(crate) struct Cache {
    directory: PathBuf,
}

const DIGEST_BYTES: usize = 32;

impl Cache {
    /// Opens the directory, or makes it, for this user alone.
    ///
    /// # Errors
    ///
    /// It cannot be made, or others could put code into it.
    pub(crate) fn open(directory: PathBuf) -> Result<Cache> {
        let place = directory.display();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|error| format_err!("CACHE_DIR {place} cannot be made: {error}"))?;
        let metadata = std::fs::metadata(&directory)
            .map_err(|error| format_err!("CACHE_DIR {place} cannot be used: {error}"))?;
        if !is_ours_alone(&metadata) {
            return Err(format_err!(
                "CACHE_DIR {place} belongs to or may be written by others, who could put code into \
                 it; give a directory of this user's with mode 0700"
            ));
        }
        Ok(Cache { directory })
    }

    /// The component compiled from the Wasm with this digest, if it is there and
    /// this engine can run it.
    pub(super) fn get(&self, engine: &Engine, wasm_digest: &str) -> Option<Component> {
        let path = self.path(engine, wasm_digest);
        let mut file = File::open(&path).ok()?;
        let mut bytes = Vec::new();
        if !is_ours_alone(&file.metadata().ok()?) || file.read_to_end(&mut bytes).is_err() {
            return None;
        }
        let (digest, code) = bytes.split_at_checked(DIGEST_BYTES)?;
        if Sha256::digest(code).as_slice() != digest {
            tracing::warn!(file = %path.display(), "compiled code is damaged; compiling anew");
            return None;
        }
        // SAFETY: `code` is what `Component::serialize` gave this user's server,
        // as its digest says, and only this user can have written the file.
        // Wasmtime checks its version, settings and CPU features.
        unsafe { Component::deserialize(engine, code) }.ok()
    }

    /// Keeps a compiled component.
    pub(super) fn put(
        &self,
        engine: &Engine,
        wasm_digest: &str,
        component: &Component,
    ) -> Result<()> {
        let code = component.serialize()?;
        let path = self.path(engine, wasm_digest);
        // Complete or not there, also for a second server that reads it.
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let written = write_new(&partial, &code).and_then(|()| std::fs::rename(&partial, &path));
        if written.is_err() {
            let _ = std::fs::remove_file(&partial);
        }
        Ok(written?)
    }

    fn path(&self, engine: &Engine, wasm_digest: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let engine = hasher.finish();
        self.directory
            .join(format!("{wasm_digest}-{engine:016x}.cwasm"))
    }
}

fn write_new(path: &Path, code: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(Sha256::digest(code).as_slice())?;
    file.write_all(code)?;
    file.sync_data()
}

fn is_ours_alone(metadata: &std::fs::Metadata) -> bool {
    let others_may_write = metadata.mode() & 0o022 != 0;
    metadata.uid() == rustix::process::geteuid().as_raw() && !others_may_write
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{embedded, engine};
    use std::os::unix::fs::PermissionsExt;

    fn compiled() -> (Engine, Component) {
        let engine = Engine::new(&engine::config()).unwrap();
        let component = embedded::load(&engine).unwrap();
        (engine, component)
    }

    #[test]
    fn what_was_put_is_found_and_what_is_damaged_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("new")).unwrap();
        let (engine, component) = compiled();
        assert!(cache.get(&engine, "abc").is_none());
        cache.put(&engine, "abc", &component).unwrap();
        assert!(cache.get(&engine, "abc").is_some());
        assert!(cache.get(&engine, "abd").is_none());
        let path = cache.path(&engine, "abc");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[1000] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(cache.get(&engine, "abc").is_none());
    }

    #[test]
    fn code_that_others_could_have_written_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().to_owned()).unwrap();
        let (engine, component) = compiled();
        cache.put(&engine, "abc", &component).unwrap();
        let path = cache.path(&engine, "abc");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        assert!(cache.get(&engine, "abc").is_none());
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let error = Cache::open(dir.path().to_owned()).err().unwrap();
        assert!(error.to_string().contains("belongs to or may be written"));
    }
}
