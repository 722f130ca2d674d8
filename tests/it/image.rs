//! The container image, without a container engine: the last stage of the
//! Dockerfile as a directory with nothing else in it, entered by `chroot`, as the
//! image's user. (What its first stage builds is what is tested everywhere here.)

use super::*;
use netwatch_tests::client::post;
use netwatch_tests::server::binaries;
use std::os::unix::fs::chown;
use std::process::Command;

/// The user of the image's base, `nonroot`.
const USER: u32 = 65_532;

/// What the last stage says: environment, the binary's place, its base.
struct Stage {
    environment: Vec<(String, String)>,
    entry_point: String,
}

fn last_stage() -> Stage {
    let dockerfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Dockerfile");
    let dockerfile = std::fs::read_to_string(dockerfile).unwrap();
    let (base, stage) = dockerfile
        .rsplit_once("\nFROM ")
        .and_then(|(_, stage)| stage.split_once('\n'))
        .unwrap();
    assert!(base.ends_with(":nonroot"), "another user: {base}");
    let instruction = |name: &str| {
        let mut lines = stage.lines().filter_map(|line| line.strip_prefix(name));
        lines.next().map(str::trim).expect("an instruction")
    };
    let entry_point = instruction("ENTRYPOINT").trim_matches(['[', ']', '"']);
    let copied = format!("COPY --from=build /src/target/release/netwatch-server {entry_point}");
    assert!(stage.contains(&copied), "{stage}");
    assert!(
        stage.contains("--chown=65532:65532 /empty /data"),
        "{stage}"
    );
    let pairs = instruction("ENV").split(' ');
    Stage {
        environment: pairs
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        entry_point: entry_point.to_owned(),
    }
}

fn put(root: &Path, from: &Path, to: &str) {
    let to = root.join(to.trim_start_matches('/'));
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(from, to).unwrap();
}

/// The C library and what else the base image has of what the binary asks for.
fn put_libraries(root: &Path, binary: &Path) {
    let listed = Command::new("ldd").arg(binary).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let of_base = ["libc.so", "libm.so", "libgcc_s.so", "ld-linux"];
    for path in listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
    {
        let known = of_base.iter().any(|name| path.contains(name));
        assert!(known, "the base image has no {path}");
        put(root, Path::new(path), path);
    }
}

#[test]
fn the_image_serves_with_nothing_in_it_but_the_binary() {
    let root = tempfile::tempdir().unwrap();
    let stage = last_stage();
    let binary = binaries().join("netwatch-server");
    put(root.path(), &binary, &stage.entry_point);
    put_libraries(root.path(), &binary);
    let data_dir = root.path().join("data");
    std::fs::create_dir(&data_dir).unwrap();
    chown(&data_dir, Some(USER), Some(USER)).unwrap();
    std::fs::set_permissions(
        root.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();

    let mut command = Command::new("chroot");
    command
        .arg(format!("--userspec={USER}:{USER}"))
        .arg(root.path())
        .arg(&stage.entry_point)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs(stage.environment)
        // The image listens on 8080, which may be taken here.
        .env("PORT", "0");
    let mut server = Server::spawn(command, &data_dir);
    let reply = post(server.address, "application/json", b"{\"n\":1}");
    assert_eq!(reply.status, 202, "{}", reply.text());
    assert!(server.stop().success());
    assert_eq!(files::numbers(&data_dir), [1]);
}
