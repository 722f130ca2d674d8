//! Each test confines a thread of its own, which is gone afterwards.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};
use rustix::thread::move_into_link_name_space;
use seccompiler::BpfProgram;
use socket2::{Domain, Socket, Type};
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

struct Place {
    // Removed when dropped.
    _dir: tempfile::TempDir,
    store: PathBuf,
    config: PathBuf,
    outside: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["etc", "outside"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("etc/netwatch.toml"), "port = 1").unwrap();
    fs::write(at("outside/secret"), "secret").unwrap();
    Place {
        store: at("store"),
        config: at("etc/netwatch.toml"),
        outside: at("outside"),
        _dir: dir,
    }
}

/// Runs something in a thread that has confined itself.
fn confined<T: Send>(place: &Place, attempt: impl FnOnce(&mut Confinement) -> T + Send) -> T {
    let reach = Reach {
        write: vec![place.store.clone()],
        read: vec![place.config.clone()],
        ports: vec![0],
    };
    thread::scope(|scope| {
        let thread = scope.spawn(|| attempt(&mut begin(Confine::Require, &reach).unwrap()));
        thread.join().unwrap()
    })
}

/// Landlock says of some links and moves that they cross devices, as programs
/// know that.
fn refused<T: std::fmt::Debug>(result: io::Result<T>, what: &str) {
    let error = result.err().unwrap_or_else(|| panic!("{what} succeeded"));
    let expected = [
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::CrossesDevices,
    ];
    assert!(expected.contains(&error.kind()), "{what}: {error}");
}

#[test]
fn what_a_store_does_works() {
    let place = place();
    let store = place.store.clone();
    confined(&place, |_| {
        fs::create_dir(store.join("journal")).unwrap();
        let made = store.join("journal/a.tmp");
        fs::write(&made, "x").unwrap();
        fs::OpenOptions::new()
            .append(true)
            .open(&made)
            .and_then(|file| file.set_len(0).and_then(|()| file.sync_all()))
            .unwrap();
        fs::hard_link(&made, store.join("reports.zst")).unwrap();
        fs::rename(&made, store.join("moved")).unwrap();
        fs::remove_file(store.join("moved")).unwrap();
        assert_eq!(fs::read_dir(&store).unwrap().count(), 2);
        fs::remove_dir(store.join("journal")).unwrap();
        fs::File::open(&store).unwrap().sync_all().unwrap();
    });
}

#[test]
fn a_file_that_is_read_again_may_have_been_replaced() {
    let place = &place();
    let beside = place.config.with_extension("new");
    let (is_confined, confined_now) = mpsc::channel();
    let (is_replaced, replaced) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            confined(place, move |_| {
                is_confined.send(()).unwrap();
                replaced.recv().unwrap();
                assert_eq!(fs::read_to_string(&place.config).unwrap(), "port = 2");
                refused(fs::write(&place.config, "port = 3"), "writing it");
                refused(fs::read_dir(place.config.parent().unwrap()), "listing");
            });
        });
        confined_now.recv().unwrap();
        // As an editor does it, which is not confined.
        fs::write(&beside, "port = 2").unwrap();
        fs::rename(&beside, &place.config).unwrap();
        is_replaced.send(()).unwrap();
    });
}

#[test]
fn nothing_outside_is_read_written_listed_or_removed() {
    let place = place();
    let (store, outside) = (place.store.clone(), place.outside.clone());
    confined(&place, |_| {
        let secret = outside.join("secret");
        fs::write(store.join("mine"), "x").unwrap();
        refused(fs::read(&secret), "reading");
        refused(fs::read("/etc/passwd"), "reading /etc/passwd");
        refused(fs::read_dir(&outside), "listing");
        refused(fs::write(&secret, "x"), "writing");
        refused(fs::write(outside.join("new"), "x"), "making");
        refused(fs::create_dir(outside.join("dir")), "making a directory");
        refused(fs::remove_file(&secret), "removing");
        refused(
            fs::rename(store.join("mine"), outside.join("mine")),
            "moving out",
        );
        refused(fs::rename(&secret, store.join("stolen")), "moving in");
        refused(fs::hard_link(&secret, store.join("stolen")), "linking in");
        let opened = fs::File::options().write(true).truncate(true).open(&secret);
        refused(opened, "truncating");
    });
    assert_eq!(
        fs::read_to_string(place.outside.join("secret")).unwrap(),
        "secret"
    );
}

#[test]
fn no_trap_can_be_laid_in_a_store_for_who_reads_it() {
    let place = place();
    let store = place.store.clone();
    confined(&place, |_| {
        let linked = std::os::unix::fs::symlink("/etc/passwd", store.join("link"));
        refused(linked, "a symbolic link");
        let bound = UnixListener::bind(store.join("socket"));
        refused(bound, "a socket");
        let fifo = rustix::fs::mknodat(
            rustix::fs::CWD,
            store.join("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        );
        refused(fifo.map_err(io::Error::from), "a FIFO");
    });
}

/// Runs something in a thread that has given up some calls, and nothing else.
fn without<T: Send>(calls: &[BpfProgram], attempt: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            for program in calls {
                seccompiler::apply_filter(program).unwrap();
            }
            attempt()
        });
        thread.join().unwrap()
    })
}

/// As [`refused`], by seccomp and nobody else.
fn denied<T: std::fmt::Debug>(result: io::Result<T>, what: &str) {
    let error = result.err().unwrap_or_else(|| panic!("{what} succeeded"));
    assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{what}: {error}");
}

#[test]
fn no_process_is_started_but_threads_are() {
    without(&calls::no_processes().unwrap(), || {
        denied(Command::new("/bin/true").status(), "a process");
        assert_eq!(thread::spawn(|| 1).join().unwrap(), 1);
    });
    assert!(Command::new("/bin/true").status().unwrap().success());
}

#[test]
fn no_other_program_takes_the_place_of_this_one() {
    without(&[calls::no_mischief().unwrap()], || {
        // Were it possible, it would end the tests with a failure.
        denied::<()>(Err(Command::new("/bin/false").exec()), "another program");
    });
}

#[test]
fn nothing_is_started_by_a_confined_server() {
    let place = place();
    confined(&place, |_| {
        refused(Command::new("/bin/true").status(), "a process");
        refused::<()>(Err(Command::new("/bin/false").exec()), "another program");
        assert_eq!(thread::spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn no_connection_is_made_and_only_its_own_ports_are_bound() {
    let place = place();
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = there.local_addr().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = taken.local_addr().unwrap();
    drop(taken);
    confined(&place, |_| {
        refused(TcpStream::connect(address), "a connection");
        refused(TcpListener::bind(other), "another port");
        TcpListener::bind("127.0.0.1:0").unwrap();
    });
}

#[test]
fn when_it_listens_no_further_sockets_are_made() {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let unbound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let datagrams = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    let address = listening.local_addr().unwrap().into();
    let any = "127.0.0.1:0"
        .parse::<std::net::SocketAddr>()
        .unwrap()
        .into();
    without(&[calls::no_sockets().unwrap()], || {
        let netlink = Domain::from(libc::AF_NETLINK);
        for domain in [Domain::IPV4, Domain::IPV6, Domain::UNIX, netlink] {
            denied(Socket::new(domain, Type::DGRAM, None), "a socket");
        }
        denied(unbound.bind(&any), "binding");
        denied(unbound.listen(1), "listening");
        denied(datagrams.connect(&address), "connecting");
        UnixStream::pair().unwrap();
        listening.set_nonblocking(true).unwrap();
        let nobody_came = listening.accept().map(drop).unwrap_err();
        assert_eq!(nobody_came.kind(), io::ErrorKind::WouldBlock);
    });
}

#[test]
fn other_processes_and_the_system_are_left_alone() {
    let space = fs::File::open("/proc/self/ns/net").unwrap();
    without(&[calls::no_mischief().unwrap()], || {
        let init = Pid::from_raw(1).unwrap();
        denied(test_kill_process(init).map_err(io::Error::from), "a signal");
        let opened = pidfd_open(init, PidfdFlags::empty());
        denied(opened.map_err(io::Error::from), "a handle to a process");
        let moved = move_into_link_name_space(space.as_fd(), None);
        denied(moved.map_err(io::Error::from), "another name space");
    });
}

/// As x86-64's other ABI would number them: no filter may be gone round by it.
#[test]
fn a_number_of_another_abi_is_refused_before_anything_else() {
    let program = calls::no_sockets().unwrap();
    let (load, jump, answer) = (&program[0], &program[1], &program[2]);
    assert_eq!(
        (u32::from(load.code), load.k),
        (libc::BPF_ABS | libc::BPF_LD, 0)
    );
    assert_eq!((jump.jt, jump.jf, jump.k), (0, 1, 0x4000_0000));
    assert_eq!(answer.k, libc::SECCOMP_RET_ERRNO | 1);
}

#[test]
fn only_what_was_within_reach_at_the_start_is_so_later() {
    let place = place();
    let (store, outside) = (place.store.clone(), place.outside.clone());
    confined(&place, |confinement| {
        let roots = confinement.roots();
        roots.reach(&store.join("not/there/yet")).unwrap();
        for beyond in [
            outside,
            store.join("../outside"),
            store.join("a/../../outside"),
        ] {
            let error = roots.reach(&beyond).unwrap_err();
            assert!(error.contains(&store.display().to_string()), "{error}");
        }
    });
}

#[test]
fn unconfined_everything_is_within_reach() {
    let mut confinement = begin(Confine::Off, &Reach::default()).unwrap();
    confinement.finish().unwrap();
    confinement.roots().reach(Path::new("/anywhere")).unwrap();
}

#[test]
fn what_is_required_and_lacking_is_an_error_that_says_what() {
    let mut confinement = begin(Confine::Off, &Reach::default()).unwrap();
    let lacking = "this kernel has no Landlock".to_owned();
    assert!(confinement.demand(&[Some(&lacking)]).is_ok());
    confinement.confine = Confine::Require;
    let error = confinement.demand(&[None, Some(&lacking)]).unwrap_err();
    assert!(error.to_string().contains(&lacking), "{error}");
}
