//! Ways out of the one directory.

use wasip3::cli::environment::get_environment;
use wasip3::filesystem::preopens::get_directories;
use wasip3::filesystem::types::{Descriptor, DescriptorFlags, NewTimestamp, OpenFlags, PathFlags};

/// Where another tenant's directory is, if the configuration tells.
const OTHER: &str = "OTHER";

const EVERY_FLAG: [PathFlags; 2] = [PathFlags::empty(), PathFlags::SYMLINK_FOLLOW];

/// What it managed, as JSON: `managed` must be empty, `inside` true (else nothing
/// was tried at all), `directories` and `environment` are for the test to judge.
pub(super) async fn attempt() -> String {
    let environment = get_environment();
    let other = environment
        .iter()
        .find_map(|(name, value)| (name == OTHER).then(|| value.clone()))
        .unwrap_or_default();
    let directories = get_directories();
    let mut managed = Vec::new();
    let mut inside = false;
    if let Some((root, _)) = directories.first() {
        inside = works_inside(root).await;
        let outside = outside(&other);
        walk_out(root, &outside, &mut managed).await;
        plant(root, &outside, &mut managed).await;
        through_links(root, &other, &mut managed).await;
    }
    let names = environment.iter().map(|(name, _)| name.clone()).collect();
    let directories = directories.into_iter().map(|(_, name)| name).collect();
    format!(
        "{{\"managed\":{},\"inside\":{inside},\"directories\":{},\"environment\":{}}}",
        list(managed),
        list(directories),
        list(names)
    )
}

/// A JSON array of strings that are mere ASCII.
fn list(strings: Vec<String>) -> String {
    format!("{strings:?}")
}

/// Paths that lead out, if anything does.
fn outside(other: &str) -> Vec<String> {
    let base = other.rsplit('/').next().unwrap_or_default();
    let mut paths: Vec<String> = [
        "..",
        "../",
        "./..",
        "inside/..",
        "inside/../..",
        "folder/../..",
        "../..",
        "/",
        "//",
        "/etc",
        "/etc/passwd",
        "//etc/passwd",
        "../../../../../../../../etc/passwd",
        "folder/../../../../../../../etc/passwd",
        "/proc/self/root",
        "/proc/self/cwd",
        "/proc/self/environ",
        "/proc/1/root",
        "/dev/null",
        "/data/..",
    ]
    .map(str::to_owned)
    .to_vec();
    if !other.is_empty() {
        paths.extend([
            other.to_owned(),
            format!("{other}/.lock"),
            format!("../{base}"),
            format!("../{base}/.lock"),
            format!("folder/../../{base}/journal"),
        ]);
    }
    paths
}

async fn works_inside(root: &Descriptor) -> bool {
    let _ = root.create_directory_at("folder".to_owned()).await;
    let opened = open(root, PathFlags::empty(), "inside", OpenFlags::CREATE).await;
    opened
        && root
            .stat_at(PathFlags::empty(), "inside".to_owned())
            .await
            .is_ok()
}

async fn open(root: &Descriptor, how: PathFlags, path: &str, flags: OpenFlags) -> bool {
    let access = match flags {
        OpenFlags::CREATE => DescriptorFlags::READ | DescriptorFlags::WRITE,
        _ => DescriptorFlags::READ,
    };
    root.open_at(how, path.to_owned(), flags, access)
        .await
        .is_ok()
}

/// Opens, looks at, reads and removes what is outside.
async fn walk_out(root: &Descriptor, outside: &[String], managed: &mut Vec<String>) {
    let mut note = |did: bool, what: &str, path: &str| {
        if did {
            managed.push(format!("{what} {path}"));
        }
    };
    for path in outside {
        for how in EVERY_FLAG {
            for flags in [OpenFlags::empty(), OpenFlags::DIRECTORY, OpenFlags::CREATE] {
                note(open(root, how, path, flags).await, "open", path);
            }
            let stat = root.stat_at(how, path.clone()).await;
            note(stat.is_ok(), "stat", path);
            let touched =
                root.set_times_at(how, path.clone(), NewTimestamp::Now, NewTimestamp::Now);
            note(touched.await.is_ok(), "touch", path);
            let hash = root.metadata_hash_at(how, path.clone()).await;
            note(hash.is_ok(), "hash", path);
        }
        note(
            root.readlink_at(path.clone()).await.is_ok(),
            "readlink",
            path,
        );
        let removed = root.unlink_file_at(path.clone()).await.is_ok();
        note(removed, "unlink", path);
        let removed = root.remove_directory_at(path.clone()).await.is_ok();
        note(removed, "rmdir", path);
    }
}

/// Makes, links and renames across the border, both ways.
async fn plant(root: &Descriptor, outside: &[String], managed: &mut Vec<String>) {
    for path in outside {
        let planted = format!("{path}/planted");
        if root.create_directory_at(planted.clone()).await.is_ok() {
            managed.push(format!("mkdir {planted}"));
        }
        if open(root, PathFlags::empty(), &planted, OpenFlags::CREATE).await {
            managed.push(format!("create {planted}"));
        }
        for how in EVERY_FLAG {
            for (from, to) in [("inside", planted.as_str()), (path.as_str(), "taken")] {
                let linked = root.link_at(how, from.to_owned(), root, to.to_owned());
                if linked.await.is_ok() {
                    managed.push(format!("link {from} {to}"));
                }
            }
        }
        for (from, to) in [("folder", planted.as_str()), (path.as_str(), "taken")] {
            let moved = root.rename_at(from.to_owned(), root, to.to_owned());
            if moved.await.is_ok() {
                managed.push(format!("rename {from} {to}"));
            }
        }
    }
}

/// Makes symbolic links to the outside, and goes through those that could be made.
async fn through_links(root: &Descriptor, other: &str, managed: &mut Vec<String>) {
    let base = other.rsplit('/').next().unwrap_or_default();
    let targets = [
        "..".to_owned(),
        "../..".to_owned(),
        "/".to_owned(),
        "/etc/passwd".to_owned(),
        "../../../../../../../etc/passwd".to_owned(),
        "/proc/self/root".to_owned(),
        other.to_owned(),
        format!("../{base}"),
        format!("../{base}/.lock"),
    ];
    for (n, target) in targets.iter().enumerate() {
        let name = format!("way-{n}");
        let _ = root.unlink_file_at(name.clone()).await;
        if root.symlink_at(target.clone(), name.clone()).await.is_err() {
            continue;
        }
        for path in [
            name.clone(),
            format!("{name}/"),
            format!("{name}/etc/passwd"),
        ] {
            for flags in [OpenFlags::empty(), OpenFlags::DIRECTORY, OpenFlags::CREATE] {
                if open(root, PathFlags::SYMLINK_FOLLOW, &path, flags).await {
                    managed.push(format!("open {path} -> {target}"));
                }
            }
            let seen = root.stat_at(PathFlags::SYMLINK_FOLLOW, path.clone());
            if seen.await.is_ok() {
                managed.push(format!("stat {path} -> {target}"));
            }
        }
        let taken = root.link_at(
            PathFlags::SYMLINK_FOLLOW,
            name.clone(),
            root,
            format!("taken-{n}"),
        );
        // A link to the symbolic link itself leads nowhere new.
        if taken.await.is_ok() && !is_symlink(root, &format!("taken-{n}")).await {
            managed.push(format!("link {name} -> {target}"));
        }
    }
}

async fn is_symlink(root: &Descriptor, name: &str) -> bool {
    root.readlink_at(name.to_owned()).await.is_ok()
}
