//! What Linux says of a process.

use rustix::process::{Pid, Signal, kill_process};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Linux reports CPU time in hundredths of a second (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of a process so far, seconds; also of one that has ended
/// and was not waited for.
pub(crate) fn cpu_seconds(child: &Child) -> f64 {
    cpu_of(&format!("/proc/{}/stat", child.id()))
}

/// … of the calling thread.
pub(crate) fn own_cpu_seconds() -> f64 {
    cpu_of("/proc/thread-self/stat")
}

fn cpu_of(path: &str) -> f64 {
    // utime and stime are the 14th and 15th field, the 12th and 13th after the name.
    let ticks = |at| field_after_name(path, at).and_then(|field| field.parse::<f64>().ok());
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / TICKS_PER_SECOND
}

/// A field of `stat`, counted from the process's state on: its name may hold
/// anything.
fn field_after_name(path: &str, at: usize) -> Option<String> {
    let stat = std::fs::read_to_string(path).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(at).map(str::to_owned)
}

/// The most memory that was resident since [`forget_peak`], MiB.
pub(crate) fn peak_mib(child: &Child) -> f64 {
    let path = format!("/proc/{}/status", child.id());
    let status = std::fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Lets the peak begin anew: what a start needs is not what a load needs.
pub(crate) fn forget_peak(child: &Child) {
    // 5 resets the peak (proc_pid_clear_refs(5)); without the right to, it stays.
    let _ = std::fs::write(format!("/proc/{}/clear_refs", child.id()), "5");
}

/// Sends a signal and waits; the CPU time of the whole life of the process.
pub(crate) fn end(child: &mut Child, signal: Signal, patience: Duration) -> f64 {
    send(child, signal);
    let path = format!("/proc/{}/stat", child.id());
    let began = Instant::now();
    // A process that has ended keeps its numbers until it is waited for.
    while field_after_name(&path, 0).is_some_and(|state| state != "Z") {
        if began.elapsed() > patience {
            eprintln!("a server did not stop within {patience:?} and was killed");
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let cpu = cpu_seconds(child);
    let _ = child.wait();
    cpu
}

fn send(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // One that has ended already need not be told.
        let _ = kill_process(pid, signal);
    }
}

/// Counts a process's system calls while `work` runs; `None` where `perf` cannot.
pub(crate) fn count_syscalls<T>(child: &Child, work: impl FnOnce() -> T) -> (T, Option<u64>) {
    let perf = Command::new("perf")
        .args(["stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p"])
        .arg(child.id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut perf) = perf else {
        return (work(), None);
    };
    // Until it has attached itself it counts nothing, and it does not say when.
    std::thread::sleep(Duration::from_millis(200));
    let result = work();
    send(&perf, Signal::INT);
    let mut said = String::new();
    if let Some(mut stderr) = perf.stderr.take() {
        let _ = stderr.read_to_string(&mut said);
    }
    let _ = perf.wait();
    (result, count_in(&said))
}

/// The count in the output of `perf stat -x,`.
fn count_in(said: &str) -> Option<u64> {
    let line = said
        .lines()
        .find(|line| line.contains("raw_syscalls:sys_enter"))?;
    line.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_system_calls_is_read_from_what_perf_says() {
        let said = "\n12345,,raw_syscalls:sys_enter,1000,100.00,,\n";
        assert_eq!(count_in(said), Some(12_345));
        assert_eq!(count_in("<not supported>,,raw_syscalls:sys_enter,0"), None);
        assert_eq!(count_in("Error: no permission"), None);
    }

    #[test]
    fn a_process_that_is_ended_leaves_its_cpu_time() {
        let mut child = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(200));
        let before = cpu_seconds(&child);
        let after = end(&mut child, Signal::TERM, Duration::from_secs(10));
        assert!(after > 0.0 && after >= before, "{before} then {after}");
    }
}
