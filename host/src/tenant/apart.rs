//! What no component may write to.

use super::TenantOptions;
use crate::real_path::real_path;
use crate::sources::Sources;
use std::path::Path;

/// Names in `wrong` whatever lies in a tenant's directory and would, replaced by
/// its component, be run or believed by the server.
pub(crate) fn keep_apart(sources: &Sources, tenants: &[TenantOptions], wrong: &mut Vec<String>) {
    let directories = tenants.iter().map(|tenant| real_path(&tenant.data_dir));
    let directories: Vec<_> = directories.collect();
    for (what, path) in kept(sources, tenants) {
        let real = real_path(path);
        let holder = directories
            .iter()
            .find(|directory| real.starts_with(directory));
        if let Some(directory) = holder {
            wrong.push(format!(
                "{what} {} is in the data_dir {}, where a component could replace it; put it \
                 elsewhere",
                path.display(),
                directory.display()
            ));
        }
    }
}

fn kept<'a>(sources: &'a Sources, tenants: &'a [TenantOptions]) -> Vec<(&'static str, &'a Path)> {
    let cache_dir = sources.get("CACHE_DIR").map(Path::new);
    let cache_dir = cache_dir.map(|directory| ("CACHE_DIR", directory));
    if sources.roll().is_none() {
        // Who chose the component chose everything else as well.
        return cache_dir.into_iter().collect();
    }
    let file = sources.file().map(|file| ("the config file", file));
    let components = tenants.iter().filter_map(|tenant| {
        let file = tenant.component.file.as_deref()?;
        Some(("the component", file))
    });
    cache_dir
        .into_iter()
        .chain(file)
        .chain(components)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::config::Options;
    use crate::sources::Sources;

    fn wrong(root: &std::path::Path, config: &str) -> String {
        let file = root.join("data/a/netwatch.toml");
        let file = match config.contains("beside") {
            true => file,
            false => root.join("netwatch.toml"),
        };
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let config = config.replace("ROOT", &root.display().to_string());
        std::fs::write(&file, config).unwrap();
        let mut sources = Sources::default();
        sources.add_file(&file);
        match Options::from_sources(&sources) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn code_and_configuration_are_not_where_a_component_writes() {
        let dir = tempfile::tempdir().unwrap();
        let tenants = "[defaults]\ndata_dir = \"ROOT/data\"\n[[tenant]]\nname = \"a\"\n";
        assert_eq!(wrong(dir.path(), tenants), "");
        for (config, expected) in [
            (
                format!("[server]\ncache_dir = \"ROOT/data/a/cache\"\n{tenants}"),
                "CACHE_DIR",
            ),
            (
                "cache_dir = \"ROOT/data/x/../cache\"\ndata_dir = \"ROOT/data\"".to_owned(),
                "CACHE_DIR",
            ),
            (
                format!("{tenants}[[tenant]]\nname = \"b\"\ncomponent = \"ROOT/data/a/b.wasm\"\n"),
                "the component",
            ),
            (format!("# beside\n{tenants}"), "the config file"),
        ] {
            let wrong = wrong(dir.path(), &config);
            assert!(wrong.starts_with(expected), "{config}: {wrong}");
            assert!(wrong.contains("is in the data_dir"), "{wrong}");
        }
    }
}
