//! Builds the component, precompiles it and hands both to `include_bytes!`.

#[path = "src/engine.rs"]
mod engine;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

const TARGET: &str = "wasm32-wasip2";

/// Dependencies are made small, but for those that touch every byte: the component
/// is to stay below 2 MB. (zstd is as fast at 2 as at 3: see `Cargo.toml`.)
const SMALL: [&str; 6] = [
    "--config",
    "profile.release.package.'*'.opt-level='s'",
    "--config",
    "profile.release.package.crc.opt-level=3",
    "--config",
    "profile.release.package.twox-hash.opt-level=3",
];

/// Variables of the outer build that would change the inner one: they speak of
/// the host's target, flags and wrappers.
const INHERITED: [&str; 8] = [
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
];

fn main() {
    let host = PathBuf::from(var("CARGO_MANIFEST_DIR"));
    let workspace = host.parent().unwrap_or(&host).to_path_buf();
    // Relative to this package: a target directory may serve several clones.
    for path in ["guest", "wit", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed=../{path}");
    }
    println!("cargo::rerun-if-changed=src/engine.rs");
    println!("cargo::rerun-if-changed=build.rs");

    let out = PathBuf::from(var("OUT_DIR"));
    let target_dir = target_dir(&out);
    let component = build_component(&workspace, &target_dir);
    let product = target_dir.join(TARGET).join("release");
    copy(&component, &product.join("netwatch_guest.wasm"));
    copy(&component, &out.join("component.wasm"));
    precompile(&component, &out.join("component.cwasm"));
}

/// Takes where the sources of dependencies lie out of the component, whose panics
/// name them: it is then the same, and as small, whoever builds it.
fn without_home() -> String {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let sources = home.map(|home| home.join("registry/src").display().to_string());
    sources
        // Flags are told apart by blanks.
        .filter(|sources| !sources.contains(char::is_whitespace))
        .map(|sources| format!(" --remap-path-prefix={sources}=~"))
        .unwrap_or_default()
}

/// The component as Cargo leaves it. Its own target directory, because the
/// outer build holds the lock of the usual one.
fn build_component(workspace: &Path, target_dir: &Path) -> PathBuf {
    let inner = target_dir.join("component");
    let mut cargo = Command::new(var("CARGO"));
    for name in INHERITED {
        cargo.env_remove(name);
    }
    // Small and fast matter more here than the time to build: one codegen unit
    // and whole-program optimisation, no symbols.
    cargo
        .current_dir(workspace)
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env(
            "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
            format!("-C target-feature=+simd128{}", without_home()),
        )
        .args(SMALL)
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "netwatch-guest",
        ])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&inner);
    let output = cargo
        .output()
        .unwrap_or_else(|error| fail(&format!("cannot run cargo for the component: {error}")));
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("target may not be installed") {
            fail(&format!(
                "the component's target is not installed; run: rustup target add {TARGET}"
            ));
        }
        fail(&format!("the component does not build:\n{said}"));
    }
    inner
        .join(TARGET)
        .join("release")
        .join("netwatch_guest.wasm")
}

/// Compiles for the oldest CPU that is supported, not for this one.
fn precompile(component: &Path, to: &Path) {
    let wasm = fs::read(component)
        .unwrap_or_else(|error| fail(&format!("{}: {error}", component.display())));
    let compiled = baseline(&var("TARGET"))
        .and_then(|config| wasmtime::Engine::new(&config))
        .and_then(|engine| engine.precompile_component(&wasm));
    match compiled {
        Ok(code) => write(to, &code),
        // An architecture that Cranelift does not know: the host compiles at
        // start or says why it cannot.
        Err(error) => {
            println!("cargo::warning=the component is not precompiled: {error:#}");
            write(to, &[]);
        }
    }
}

/// The host's configuration for the baseline of `target` instead of this
/// machine's CPU.
fn baseline(target: &str) -> wasmtime::Result<wasmtime::Config> {
    let mut config = engine::config();
    config.target(target)?;
    if target.starts_with("x86_64") {
        for feature in engine::X86_64_BASELINE {
            // SAFETY: the flags only name CPU features, and a host that lacks
            // one of them refuses the artifact.
            unsafe { config.cranelift_flag_enable(feature) };
        }
    }
    Ok(config)
}

/// The directory Cargo calls the target directory: `OUT_DIR` is
/// `<target>[/<triple>]/<profile>/build/<package>/out`.
fn target_dir(out: &Path) -> PathBuf {
    if let Some(dir) = env::var_os("CARGO_TARGET_DIR").filter(|dir| Path::new(dir).is_absolute()) {
        return PathBuf::from(dir);
    }
    let profile = out.ancestors().nth(3).unwrap_or(out);
    let parent = profile.parent().unwrap_or(profile);
    let cross = parent.file_name() == Some(&OsString::from(var("TARGET")));
    match parent.parent() {
        Some(above) if cross => above.to_path_buf(),
        _ => parent.to_path_buf(),
    }
}

/// Replaces `to` in one step, and only if it differs, so that nothing that
/// watches it is disturbed.
fn copy(from: &Path, to: &Path) {
    let bytes =
        fs::read(from).unwrap_or_else(|error| fail(&format!("{}: {error}", from.display())));
    write(to, &bytes);
}

fn write(to: &Path, bytes: &[u8]) {
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return;
    }
    let temporary = to.with_extension("partial");
    let done = to
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&temporary, bytes))
        .and_then(|()| fs::rename(&temporary, to));
    if let Err(error) = done {
        fail(&format!("{}: {error}", to.display()));
    }
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| fail(&format!("Cargo did not set {name}")))
}

fn fail(message: &str) -> ! {
    println!("cargo::error={}", message.replace('\n', "\ncargo::error="));
    exit(1);
}
