use super::*;
use std::net::{IpAddr, Ipv4Addr};

fn rate(per_second: u32, burst: u32) -> Rate {
    Rate {
        per_second: NonZeroU32::new(per_second).unwrap(),
        burst: NonZeroU32::new(burst).unwrap(),
    }
}

fn client(number: u32) -> ClientKey {
    IpAddr::from(Ipv4Addr::from_bits(number)).into()
}

#[test]
fn one_client_has_its_burst_and_another_its_own() {
    let rates = ClientRates::new(rate(1, 3));
    for _ in 0..3 {
        rates.check(client(1)).unwrap();
    }
    let exceeded = rates.check(client(1)).unwrap_err();
    assert_eq!(exceeded.policy, Policy::Client);
    assert_eq!(exceeded.problem().retry_after, Some(1));
    rates.check(client(2)).unwrap();
}

#[test]
fn a_flood_of_addresses_takes_bounded_memory_and_shares_one_burst_then() {
    let rates = ClientRates::new(rate(1, 2));
    let all = u32::try_from(limits::RATED_CLIENTS).unwrap();
    for number in 0..all {
        rates.check(client(number)).unwrap();
    }
    assert_eq!(rates.limiter.len(), limits::RATED_CLIENTS);
    let late: Vec<bool> = (all..all + 10)
        .map(|number| rates.check(client(number)).is_ok())
        .collect();
    assert_eq!(late, [&[true; 2][..], &[false; 8]].concat());
    rates.check(client(0)).unwrap();
    assert_eq!(rates.limiter.len(), limits::RATED_CLIENTS);
}

#[test]
fn clients_that_were_quiet_are_forgotten_when_room_is_needed() {
    let rates = ClientRates::new(rate(1_000_000, 1));
    let all = u32::try_from(limits::RATED_CLIENTS).unwrap();
    for number in 0..all {
        rates.check(client(number)).unwrap();
    }
    std::thread::sleep(Duration::from_millis(2));
    *rates.swept.lock().unwrap() = Instant::now() - limits::RATE_SWEEP;
    rates.check(client(all)).unwrap();
    assert!(rates.limiter.len() < 1000, "{}", rates.limiter.len());
}

#[test]
fn a_tenant_has_its_requests_and_its_bytes() {
    let rates = TenantRates::new(RateOptions {
        requests: Some(rate(1, 2)),
        bytes: Some(rate(1, 100)),
    });
    assert!(rates.check_request().is_ok() && rates.check_request().is_ok());
    assert_eq!(rates.check_request().unwrap_err().policy, Policy::Requests);
    rates.check_bytes(0).unwrap();
    rates.check_bytes(60 * limits::RATE_UNIT).unwrap();
    let exceeded = rates.check_bytes(60 * limits::RATE_UNIT).unwrap_err();
    assert_eq!(exceeded.policy, Policy::Bytes);
    assert!((19..=20).contains(&exceeded.seconds()), "{exceeded:?}");
    rates.check_bytes(1).unwrap();
    assert!(rates.check_bytes(u64::MAX).is_err());
    assert_eq!(rates.refused(), (1, 2));
    let none = TenantRates::new(RateOptions::default());
    assert!(none.check_request().is_ok() && none.check_bytes(u64::MAX).is_ok());
}

#[test]
fn a_change_counts_anew_and_no_change_does_not() {
    let options = |burst| RateOptions {
        requests: Some(rate(1, burst)),
        bytes: None,
    };
    let rates = TenantRates::new(options(1));
    rates.check_request().unwrap();
    rates.change(options(1));
    rates.check_request().unwrap_err();
    rates.change(options(2));
    rates.check_request().unwrap();
    assert_eq!(rates.refused(), (1, 0));
}

#[test]
fn the_headers_are_structured_fields() {
    let mut headers = HeaderMap::new();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exceeded = Exceeded {
        policy: Policy::Bytes,
        rate: rate(1024, 4096),
        wait: Duration::from_millis(2100),
    };
    exceeded.add_to(&mut headers);
    assert_eq!(
        headers[RATE_LIMIT_POLICY],
        "\"bytes\";q=4194304;qu=\"content-bytes\";w=4"
    );
    assert_eq!(headers[RATE_LIMIT], "\"bytes\";r=0;t=3");
    assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], EXPOSED);
}
