//! A disk that is full, and then is not.

use super::*;
use netwatch_tests::client::{get, post};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// A file system of a few megabytes; gone when dropped.
pub(super) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub(super) fn new(bytes: u32) -> SmallDisk {
        let dir = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(format!("size={bytes}")).unwrap();
        mount(
            "tmpfs",
            dir.path(),
            "tmpfs",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .expect("a tmpfs: this test needs the right to mount (root)");
        SmallDisk(dir)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_gives_503_and_service_resumes_by_itself_when_it_is_freed() {
    for kind in BOTH {
        let disk = SmallDisk::new(3 << 20);
        let data_dir = disk.0.path().join("data");
        std::fs::create_dir(&data_dir).unwrap();
        let server = Server::start(kind, &data_dir, &[("FLUSH_INTERVAL", "1s")]);
        let ballast = disk.0.path().join("ballast");
        let send = |n: u64| {
            let body = format!("{{\"n\":{n},\"pad\":\"{:050000}\"}}", n);
            post(server.address, "application/json", body.as_bytes())
        };
        let mut acknowledged = Vec::new();
        assert_eq!(send(1).status, 202);
        acknowledged.push(1);
        let filled = std::fs::write(&ballast, vec![0; 4 << 20]);
        assert!(filled.is_err(), "the disk is not full");
        let mut refused = 0;
        for n in 2..12 {
            let reply = send(n);
            if reply.status == 202 {
                acknowledged.push(n);
                continue;
            }
            refused += 1;
            assert_eq!(reply.status, 503, "{kind:?}: {}", reply.text());
            assert!(reply.header("retry-after").is_some());
        }
        assert!(refused > 0, "{kind:?}: nothing was refused");
        let ready = get(server.address, "/readyz");
        assert!(
            ready.status == 503 || kind == Kind::Stock,
            "{kind:?}: {}",
            ready.text()
        );
        std::fs::remove_file(&ballast).unwrap();
        until("service resumes", Duration::from_secs(20), || {
            send(100).status == 202
        });
        until("it is ready", Duration::from_secs(10), || {
            get(server.address, "/readyz").status == 200
        });
        until("all is published", Duration::from_secs(20), || {
            let stored = files::numbers(&data_dir);
            stored.contains(&100) && acknowledged.iter().all(|n| stored.contains(n))
        });
        let stored = files::numbers(&data_dir);
        for n in acknowledged {
            assert_eq!(
                stored.iter().filter(|s| **s == n).count(),
                1,
                "{kind:?}: report {n}"
            );
        }
    }
}

#[test]
fn what_a_full_disk_kept_from_being_recovered_is_published_once_it_is_freed() {
    for kind in BOTH {
        let disk = SmallDisk::new(1 << 20);
        let data_dir = disk.0.path().join("data");
        std::fs::create_dir(&data_dir).unwrap();
        let mut server = Server::start(kind, &data_dir, &[]);
        for n in 1..4 {
            let body = format!("{{\"n\":{n},\"pad\":\"{n:050000}\"}}");
            let posted = post(server.address, "application/json", body.as_bytes());
            assert_eq!(posted.status, 202, "{}", posted.text());
        }
        server.kill();
        let ballast = disk.0.path().join("ballast");
        let filled = std::fs::write(&ballast, vec![0; 2 << 20]);
        assert!(filled.is_err(), "the disk is not full");
        let server = Server::start(kind, &data_dir, &[("FLUSH_INTERVAL", "1s")]);
        let posted = post(server.address, "application/json", b"{\"n\":0}");
        assert_eq!(posted.status, 503, "{kind:?}: {}", posted.text());
        std::thread::sleep(Duration::from_secs(1));
        std::fs::remove_file(&ballast).unwrap();
        until("service resumes", Duration::from_secs(20), || {
            post(server.address, "application/json", b"{\"n\":4}").status == 202
        });
        until("the orphans are published", Duration::from_secs(60), || {
            let stored = files::numbers(&data_dir);
            [1, 2, 3].iter().all(|n| stored.contains(n))
        });
        let stored = files::numbers(&data_dir);
        for n in 1..4 {
            let times = stored.iter().filter(|one| **one == n).count();
            assert_eq!(times, 1, "{kind:?}: report {n}");
        }
    }
}
