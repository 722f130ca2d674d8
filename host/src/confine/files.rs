//! Files and TCP ports, by Landlock (Linux 5.19 and later; each version of it
//! holds more than the one before).

use super::{Lacking, Reach};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, make_bitflags,
};
use std::path::{Path, PathBuf};

/// The version this was tried with. What later ones hold is not asked for.
const TESTED: ABI = ABI::V7;

/// What a store does in its directory. No symbolic links, devices, FIFOs and
/// sockets: a store has none, and they would be traps for whoever reads it.
const STORE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
});

/// What the C library, the allocator and Wasmtime look at while they work. None
/// of it is needed: each has another way where it cannot.
const SYSTEM_FILES: [&str; 2] = ["/dev/null", "/dev/urandom"];
const SYSTEM_DIRECTORIES: [&str; 2] = ["/proc/self", "/sys/devices/system/cpu"];

/// Restricts the calling thread and all it will start. Says how far.
///
/// # Errors
///
/// Why nothing is restricted.
pub(super) fn restrict(reach: &Reach) -> Result<String, Lacking> {
    let rules = rules(reach).map_err(|error| format!("Landlock: {error}"))?;
    let status = rules
        .restrict_self()
        .map_err(|error| format!("Landlock: {error}"))?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok("held".to_owned()),
        RulesetStatus::PartiallyEnforced => Ok("held as far as this kernel can".to_owned()),
        RulesetStatus::NotEnforced => Err("this kernel has no Landlock".to_owned()),
    }
}

fn rules(reach: &Reach) -> Result<RulesetCreated, RulesetError> {
    let mut rules = Ruleset::default()
        // Without it no file can be linked from one directory to another, which
        // is how segments are published.
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Refer)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(TESTED))?
        .handle_access(AccessNet::from_all(TESTED))?
        .scope(Scope::from_all(TESTED))?
        .create()?;
    for port in &reach.ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    for directory in &reach.write {
        // Whoever uses it says better why it cannot be made.
        let _ = std::fs::create_dir_all(directory);
        rules = allow(rules, directory, STORE)?;
    }
    for file in &reach.read {
        for directory in directories(file) {
            rules = allow(rules, &directory, AccessFs::ReadFile.into())?;
        }
    }
    let look = AccessFs::ReadFile | AccessFs::ReadDir;
    for path in SYSTEM_FILES {
        rules = allow(rules, Path::new(path), AccessFs::ReadFile.into())?;
    }
    for path in SYSTEM_DIRECTORIES {
        rules = allow(rules, Path::new(path), look)?;
    }
    Ok(rules)
}

/// What is not there cannot be allowed, and need not be.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(there) => rules.add_rule(PathBeneath::new(there, access)),
        Err(_) => Ok(rules),
    }
}

/// The directories in which a file lies: by its name, and where the name leads.
fn directories(file: &Path) -> Vec<PathBuf> {
    let named = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let real = file.canonicalize().ok();
    let real = real.and_then(|real| Some(real.parent()?.to_owned()));
    std::iter::once(named).chain(real).collect()
}
