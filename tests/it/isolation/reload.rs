//! Another configuration in the middle of load.

use super::*;
use std::sync::atomic::AtomicU64;

/// The tenants of the n-th configuration: one stays, one comes and goes, and one
/// changes its limits and its component.
fn tenants(n: usize) -> String {
    let hostile = hostile_component().display().to_string();
    let changing = match n % 2 {
        0 => format!("component = {hostile:?}\n"),
        _ => format!("cpu_per_second = 1.{n}\n"),
    };
    let mut tenants = vec![("good", ""), ("changing", changing.as_str())];
    if n % 2 == 1 {
        tenants.push(("coming", ""));
    }
    configuration(&tenants)
}

#[test]
fn no_request_fails_while_the_configuration_changes_under_load() {
    let root = tempfile::tempdir().unwrap();
    let mut server = serve(root.path(), &tenants(0));
    let address = server.address;
    let next = AtomicU64::new(0);
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !end.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let reply = post_to(address, "good", &format!("{{\"n\":{n}}}"));
                    assert_eq!(reply.status, 202, "report {n}: {}", reply.text());
                }
            });
        }
        scope.spawn(|| {
            // Whatever component it has at the moment answers this with something.
            while !end.load(Ordering::Relaxed) {
                let reply = get(address, "/t/changing/healthz");
                assert!([200, 404].contains(&reply.status), "{}", reply.text());
            }
        });
        let changes = (1..8).map(|n| {
            std::fs::write(root.path().join("netwatch.toml"), tenants(n)).unwrap();
            server.reload();
            let there = [404, 200][n % 2];
            until("the configuration counts", Duration::from_secs(10), || {
                get(address, "/t/coming/healthz").status == there
            });
            if n % 2 == 1 {
                let body = format!("{{\"n\":{n}}}");
                assert_eq!(post_to(address, "coming", &body).status, 202);
            }
        });
        changes.for_each(drop);
        end.store(true, Ordering::Relaxed);
    });
    assert!(server.stop().success(), "{:#?}", server.log());
    let posted = next.into_inner();
    assert!(posted > 100, "only {posted}");
    let stored = files::numbers(&root.path().join("tenants/good"));
    assert_eq!(stored, (0..posted).collect::<Vec<_>>());
    // Each time it went, it had published what it had taken.
    let stored = files::numbers(&root.path().join("tenants/coming"));
    assert_eq!(stored, [1, 3, 5, 7]);
}

#[test]
fn a_configuration_that_is_wrong_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let server = serve(root.path(), &tenants(1));
    let file = root.path().join("netwatch.toml");
    std::fs::write(&file, tenants(0).replace("good", "GOOD!")).unwrap();
    server.reload();
    let mut log = Vec::new();
    until("it is refused", Duration::from_secs(10), || {
        log.extend(server.log());
        log.iter().any(|line| line.contains("GOOD!"))
    });
    for tenant in ["good", "coming"] {
        let reply = get(server.address, &format!("/t/{tenant}/healthz"));
        assert_eq!(reply.status, 200, "{tenant}");
    }
}

/// What the process gave up at its start does not come back with a reload.
#[test]
fn what_a_confined_server_cannot_reach_is_refused_with_a_message_that_says_so() {
    let root = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let server = serve(root.path(), &configuration(&[("good", "")]));
    let component = elsewhere.path().join("hostile.wasm");
    std::fs::copy(hostile_component(), &component).unwrap();
    let data_dir = elsewhere.path().join("far");
    for (own, said) in [
        (
            format!("data_dir = {:?}\n", data_dir.display().to_string()),
            "is not below what the confined server can write to",
        ),
        // This is the kernel's word, not ours.
        (
            format!("component = {:?}\n", component.display().to_string()),
            "Permission denied",
        ),
    ] {
        let config = configuration(&[("good", ""), ("far", &own)]);
        std::fs::write(root.path().join("netwatch.toml"), config).unwrap();
        server.reload();
        let mut log = String::new();
        until(said, Duration::from_secs(10), || {
            log += &server.log().join("\n");
            log.contains(said)
        });
        assert!(log.contains("far"), "which tenant: {log}");
        assert_eq!(get(server.address, "/t/good/healthz").status, 200);
        assert_eq!(get(server.address, "/t/far/healthz").status, 404);
    }
    assert!(!data_dir.exists());
}
