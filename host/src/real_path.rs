//! Where paths lead.

use std::path::{Component, Path, PathBuf};

/// Where a path leads in the end, links and `..` resolved. Its last parts need not
/// be there yet.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut missing = Vec::new();
    let mut there = absolute.as_path();
    loop {
        if let Ok(real) = there.canonicalize() {
            return missing.iter().rev().fold(real, follow);
        }
        let (Some(parent), Some(last)) = (there.parent(), there.components().next_back()) else {
            return absolute;
        };
        missing.push(last);
        there = parent;
    }
}

fn follow(mut path: PathBuf, part: &Component<'_>) -> PathBuf {
    match part {
        Component::ParentDir => {
            path.pop();
        }
        part => path.push(part),
    }
    path
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn links_and_parents_are_resolved_also_where_nothing_is_yet() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("there")).unwrap();
        std::os::unix::fs::symlink("there", root.join("link")).unwrap();
        for (path, leads_to) in [
            ("there", "there"),
            ("link", "there"),
            ("link/new/newer", "there/new/newer"),
            ("link/new/../newer", "there/newer"),
            ("there/new/../../other", "other"),
            ("there/../other/./x", "other/x"),
        ] {
            assert_eq!(real_path(&root.join(path)), root.join(leads_to), "{path}");
        }
    }
}
