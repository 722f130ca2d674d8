//! System calls, by seccomp. What a server never does is refused with an error,
//! everything else allowed: a list of what is allowed would have to follow the C
//! library, the allocator and the runtime, and be wrong on some machine.

use super::Lacking;
use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};
use std::collections::BTreeMap;

/// Never called by a server, and of use to whoever has taken one over.
const REFUSED: &[c_long] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes.
    libc::SYS_kill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    // Another view of the system.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // Another user.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The system itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_fanotify_init,
    libc::SYS_mknodat,
    // Parts of the kernel in which holes are found again and again.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_personality,
];

/// What not every architecture has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_mknod,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_sysfs,
    libc::SYS_ustat,
    libc::SYS__sysctl,
    libc::SYS_kexec_file_load,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

/// Bit of the numbers of x86-64's other ABI (x32), under which the same calls
/// have other numbers. No other architecture has such numbers.
const OTHER_ABI: u32 = 0x4000_0000;

/// Gives up, for the calling thread and all it will start, what a server never
/// does.
///
/// # Errors
///
/// Why nothing is given up.
pub(super) fn give_up() -> Result<(), Lacking> {
    let [processes, other_processes] = no_processes()?;
    for program in [processes, other_processes, no_mischief()?] {
        seccompiler::apply_filter(&program).map_err(lacking)?;
    }
    Ok(())
}

pub(super) fn no_mischief() -> Result<BpfProgram, Lacking> {
    program(refused(REFUSED.iter().chain(REFUSED_HERE)), libc::EPERM)
}

/// A new thread is a clone that shares the process; anything else would be a new
/// process.
pub(super) fn no_processes() -> Result<[BpfProgram; 2], Lacking> {
    let process = condition(0, SeccompCmpOp::MaskedEq(CLONE_THREAD), 0)?;
    let process = Rules::from([(libc::SYS_clone, vec![rule(process)?])]);
    // Its flags are in memory, where a filter cannot look. The C library goes
    // back to `clone` where it is told that there is no such call.
    let unknown = refused(&[libc::SYS_clone3]);
    Ok([
        program(process, libc::EPERM)?,
        program(unknown, libc::ENOSYS)?,
    ])
}

/// Gives up making sockets, in all threads. Pairs of connected ones are still to
/// be had: signals use one.
///
/// # Errors
///
/// Why it is not given up.
pub(super) fn give_up_sockets() -> Result<(), Lacking> {
    seccompiler::apply_filter_all_threads(&no_sockets()?).map_err(lacking)
}

pub(super) fn no_sockets() -> Result<BpfProgram, Lacking> {
    let calls = [
        libc::SYS_socket,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_connect,
    ];
    program(refused(&calls), libc::EPERM)
}

const CLONE_THREAD: u64 = libc::CLONE_THREAD as u64;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn refused<'a>(calls: impl IntoIterator<Item = &'a c_long>) -> Rules {
    calls.into_iter().map(|call| (*call, Vec::new())).collect()
}

fn rule(condition: SeccompCondition) -> Result<SeccompRule, Lacking> {
    SeccompRule::new(vec![condition]).map_err(lacking)
}

fn condition(argument: u8, test: SeccompCmpOp, value: u64) -> Result<SeccompCondition, Lacking> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, test, value).map_err(lacking)
}

/// A filter that answers some calls with an error number.
fn program(rules: Rules, error: i32) -> Result<BpfProgram, Lacking> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(lacking)?;
    let answer = SeccompAction::Errno(error.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture);
    let known = BpfProgram::try_from(filter.map_err(lacking)?).map_err(lacking)?;
    Ok(refuse_other_abi(known))
}

/// Puts before a filter that the calls of [`OTHER_ABI`] are refused.
fn refuse_other_abi(known: BpfProgram) -> BpfProgram {
    let step = |code: u32, jt, jf, k| sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    };
    // The number of the call is the first member of what a filter looks at.
    let load_number = step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0);
    let if_other = step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, OTHER_ABI);
    let error = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let refuse = step(libc::BPF_RET | libc::BPF_K, 0, 0, error);
    [load_number, if_other, refuse]
        .into_iter()
        .chain(known)
        .collect()
}

fn lacking(error: impl std::fmt::Display) -> Lacking {
    format!("seccomp: {error}")
}
