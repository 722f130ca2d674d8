//! Every limit of a tenant bites, is counted as that tenant's, and stops nobody
//! else.

use super::*;

/// A limit by its name in the metrics, the lines that set it, and what brings it
/// about.
const LIMITS: [(&str, &str, &str); 9] = [
    ("memory", "memory_bytes = \"16MiB\"", "memory-bomb"),
    ("handles", "", "streams"),
    ("cpu-per-call", "cpu_per_call = \"100ms\"", "loop"),
    ("cpu-per-second", "cpu_per_second = 0.1", "loop-yield"),
    ("requests-in-flight", "requests_in_flight = 2", "never"),
    ("disk-bytes", "disk_bytes = \"1MiB\"", "fill"),
    ("disk-files", "disk_files = 100", "files"),
    ("open-files", "", "handles"),
    ("log-lines", "", "log-flood"),
];

/// How often the limits of all tenants have bitten: by tenant and limit.
fn bitten(server: &Server, admin: SocketAddr) -> Vec<(String, String, f64)> {
    let token = [("Authorization", "Bearer operator")];
    let reply = send(admin, "GET", "/metrics", &token, b"").expect("metrics");
    assert_eq!(reply.status, 200, "{:#?}", server.log());
    let text = reply.text();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("netwatch_limited_total{tenant=\""));
    lines
        .map(|line| {
            let (tenant, rest) = line.split_once("\",limit=\"").unwrap();
            let (limit, count) = rest.split_once("\"} ").unwrap();
            (tenant.to_owned(), limit.to_owned(), count.parse().unwrap())
        })
        .collect()
}

#[test]
fn every_limit_bites_who_has_it_and_is_counted() {
    let root = tempfile::tempdir().unwrap();
    let component = hostile_component().display().to_string();
    let lines =
        LIMITS.map(|(limit, line, _)| (limit, format!("component = {component:?}\n{line}\n")));
    let mut tenants: Vec<_> = lines
        .iter()
        .map(|(limit, lines)| (*limit, lines.as_str()))
        .collect();
    tenants.push(("good", ""));
    let (server, admin) = serve_with_admin(root.path(), &configuration(&tenants));
    for (limit, _, harm) in LIMITS {
        let path = format!("/t/{limit}/{harm}");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| provoke(server.address, &path, Duration::from_millis(500)));
            }
        });
        until(limit, Duration::from_secs(10), || {
            let counts = bitten(&server, admin);
            counts
                .iter()
                .any(|(tenant, other, count)| tenant == limit && other == limit && *count > 0.0)
        });
        assert_eq!(post_to(server.address, "good", "{\"n\":1}").status, 202);
    }
    for (tenant, limit, count) in bitten(&server, admin) {
        if tenant != limit {
            assert_eq!(count, 0.0, "{limit} was counted as {tenant}'s");
        }
    }
}

#[test]
fn a_tenant_at_its_limit_of_requests_is_told_to_come_again() {
    let stage = Stage::start("requests_in_flight = 2\n");
    let address = stage.address();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| provoke(address, "/t/bad/never", Duration::from_secs(2)));
        }
        std::thread::sleep(Duration::from_millis(300));
        let reply = stage.bad("good").unwrap();
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert!(reply.header("retry-after").is_some());
    });
    stage.end();
}
