//! A thousand tenants, of whom a hundred are there.

use super::*;

const TENANTS: usize = 1000;
const ACTIVE: usize = 100;

/// Reports of each that is there, one by one.
const REPORTS: u64 = 5;

/// What all that are not there may take.
const IDLE_MIB: u64 = 100;

fn name(tenant: usize) -> String {
    format!("tenant-{tenant}")
}

#[test]
fn a_hundred_of_a_thousand_tenants_are_served_and_the_others_cost_little() {
    let root = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..TENANTS).map(name).collect();
    let tenants: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let one = tempfile::tempdir().unwrap();
    let alone = serve(one.path(), &configuration(&tenants[..1]));
    let mut server = serve(root.path(), &configuration(&tenants));
    let idle = server.resident_mib().saturating_sub(alone.resident_mib());
    assert!(idle < IDLE_MIB, "a thousand idle tenants take {idle} MiB");
    drop(alone);

    // Every tenth, in as many orders as there are threads.
    let step = TENANTS / ACTIVE;
    let address = server.address;
    std::thread::scope(|scope| {
        for n in 0..REPORTS {
            scope.spawn(move || {
                for place in 0..ACTIVE {
                    let tenant = (place + 7 * usize::try_from(n).unwrap()) % ACTIVE * step;
                    let body = format!("{{\"n\":{}}}", tenant as u64 * REPORTS + n);
                    let reply = post_to(address, &name(tenant), &body);
                    assert_eq!(reply.status, 202, "{tenant}: {}", reply.text());
                }
            });
        }
    });
    let resident = server.resident_mib();
    assert!(server.stop().success(), "{:#?}", server.log());
    for tenant in 0..TENANTS {
        let data_dir = root.path().join("tenants").join(name(tenant));
        let first = tenant as u64 * REPORTS;
        let own: Vec<u64> = match tenant % step {
            0 => (first..first + REPORTS).collect(),
            _ => Vec::new(),
        };
        assert_eq!(files::numbers(&data_dir), own, "{tenant}");
    }
    assert!(resident < 4 << 10, "{resident} MiB for {ACTIVE} tenants");
}

#[test]
fn who_wakes_all_tenants_gets_only_so_many_awake_and_everybody_is_served() {
    let root = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..12).map(name).collect();
    let tenants: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let config = configuration(&tenants);
    let config = config.replacen("[server]\n", "[server]\nawake_tenants = 3\n", 1);
    let (mut server, admin) = serve_with_admin(root.path(), &config);
    let (address, end) = (server.address, AtomicBool::new(false));
    let token = [("Authorization", "Bearer operator")];
    let most = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut most: f64 = 0.0;
            while !end.load(Ordering::Relaxed) {
                let metrics = send(admin, "GET", "/metrics", &token, b"").unwrap().text();
                let mut lines = metrics.lines();
                let prefix = "netwatch_tenants{state=\"awake\"} ";
                let awake = lines.find_map(|line| line.strip_prefix(prefix)).unwrap();
                most = most.max(awake.parse().unwrap());
            }
            most
        });
        let posting: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(move || post_to(address, name, "{\"n\":1}")))
            .collect();
        for posted in posting {
            let reply = posted.join().unwrap();
            assert_eq!(reply.status, 202, "{}", reply.text());
        }
        end.store(true, Ordering::Relaxed);
        looking.join().unwrap()
    });
    assert!((1.0..=3.0).contains(&most), "{most} were awake");
    assert!(server.stop().success(), "{:#?}", server.log());
    for name in names {
        let data_dir = root.path().join("tenants").join(&name);
        assert_eq!(files::numbers(&data_dir), [1], "{name}");
    }
}
