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
