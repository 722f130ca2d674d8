//! Generated NetWatch reports: the same in every run, no two alike.

/// A report of one client on some hosts with some samples each: about 700 bytes
/// with 3 and 1, 3.4 kB with 10 and 6.
pub fn report(random: &mut Random, n: u64, hosts: u64, samples: u64) -> String {
    let hosts: Vec<_> = (0..hosts)
        .map(|host| {
            let base = 10 + (host + random.below(12)) * 13;
            let history: Vec<_> = (0..samples)
                .map(|s| {
                    let t = 1_767_225_600_000 + n * 450 + s * 3000;
                    let latency = base * 10 + random.below(base * 5);
                    format!("{{\"t\":{t},\"latency\":{}.{}}}", latency / 10, latency % 10)
                })
                .collect();
            format!(
                "{{\"name\":\"Region {base}\",\"url\":\"https://r{base}.cloud.example/ping\",\"status\":\"online\",\"history\":[{}]}}",
                history.join(",")
            )
        })
        .collect();
    format!(
        "{{\"clientId\":\"{:08x}-7a10-4c1e-9d2f-0123456789ab\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"geo\":{{\"country\":\"DE\",\"city\":\"Berlin\",\"asn\":3320,\"org\":\"Deutsche Telekom AG\"}},\"userAgent\":\"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\",\"hosts\":[{}]}}",
        random.below(200).wrapping_mul(0x9E37_79B9) & 0xFFFF_FFFF,
        hosts.join(",")
    )
}

/// SplitMix64 (Steele, Lea, Flood, 2014): the same reports in every run.
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
