//! What is stored of a client: nothing, a network, or a word that stands for it.
//!
//! An address is personal data (GDPR recital 30), so it is stored by choice only,
//! and never whole. A pseudonym lets reports of one client be told from those of
//! others: it is a hash of the address with a salt. With a salt that is made up
//! anew each day and kept in memory only, nobody can undo it or follow a client
//! from day to day; with one that is configured it stays the same, and whoever has
//! the salt can try all addresses.

use super::client::ClientKey;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// `STORE_CLIENT`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum StoreClient {
    /// Nothing.
    #[default]
    None,
    /// The network: /24 of IPv4, /48 of IPv6.
    Truncated,
    /// A pseudonym, with `STORE_CLIENT_SALT` or that of the day.
    Hashed(Option<String>),
}

/// The salt of the day.
#[derive(Default)]
pub(crate) struct DailySalt(Mutex<Option<(u64, [u8; 32])>>);

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Bytes of a hash that are kept: enough to tell all addresses apart.
const HASH_BYTES: usize = 12;

impl StoreClient {
    /// What is stored of a client of this tenant. Nothing, where the system gives no
    /// random bytes for a salt.
    pub(crate) fn of(&self, address: IpAddr, tenant: &str, daily: &DailySalt) -> Option<String> {
        match self {
            StoreClient::None => None,
            StoreClient::Truncated => Some(network(address)),
            StoreClient::Hashed(Some(salt)) => Some(pseudonym(address, tenant, salt.as_bytes())),
            StoreClient::Hashed(None) => {
                let salt = daily.of(today()).ok()?;
                Some(pseudonym(address, tenant, &salt))
            }
        }
    }
}

fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let network = Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << 8));
            format!("{network}/24")
        }
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80));
            format!("{network}/48")
        }
    }
}

/// The salt's length goes first and the address last, so that no two inputs are the
/// same bytes.
fn pseudonym(address: IpAddr, tenant: &str, salt: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [salt, tenant.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(ClientKey::from(address).bytes());
    let mut word = String::with_capacity(2 * HASH_BYTES);
    for byte in hash.finalize().iter().take(HASH_BYTES) {
        let _ = write!(word, "{byte:02x}");
    }
    word
}

/// Days since 1970.
fn today() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() / SECONDS_PER_DAY)
}

impl DailySalt {
    fn of(&self, today: u64) -> io::Result<[u8; 32]> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((day, salt)) = *kept
            && day == today
        {
            return Ok(salt);
        }
        let mut salt = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut salt)?;
        *kept = Some((today, salt));
        Ok(salt)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn stored(store: &StoreClient, address: &str, tenant: &str, daily: &DailySalt) -> String {
        store
            .of(address.parse().unwrap(), tenant, daily)
            .unwrap_or_default()
    }

    #[test]
    fn nothing_is_stored_unless_it_is_asked_for_and_never_the_whole_address() {
        let daily = DailySalt::default();
        let address = "192.0.2.77";
        assert_eq!(stored(&StoreClient::None, address, "a", &daily), "");
        for store in [
            StoreClient::Truncated,
            StoreClient::Hashed(None),
            StoreClient::Hashed(Some("s".to_owned())),
        ] {
            let stored = stored(&store, address, "a", &daily);
            assert!(!stored.is_empty() && !stored.contains(address), "{stored}");
        }
    }

    #[test]
    fn a_network_is_what_is_left_of_an_address() {
        for (address, network) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ] {
            let daily = DailySalt::default();
            assert_eq!(
                stored(&StoreClient::Truncated, address, "a", &daily),
                network
            );
        }
    }

    #[test]
    fn a_pseudonym_is_a_clients_at_one_tenant_with_one_salt() {
        let daily = DailySalt::default();
        let hashed = |salt: &str| StoreClient::Hashed(Some(salt.to_owned()));
        let one = stored(&hashed("s"), "192.0.2.1", "a", &daily);
        assert_eq!(one.len(), 2 * HASH_BYTES);
        assert_eq!(one, stored(&hashed("s"), "::ffff:192.0.2.1", "a", &daily));
        assert_ne!(one, stored(&hashed("s"), "192.0.2.2", "a", &daily));
        assert_ne!(one, stored(&hashed("s"), "192.0.2.1", "b", &daily));
        assert_ne!(one, stored(&hashed("t"), "192.0.2.1", "a", &daily));
    }

    #[test]
    fn the_salt_of_the_day_is_another_tomorrow_and_in_another_server() {
        let daily = DailySalt::default();
        let first = daily.of(1).unwrap();
        assert_eq!(daily.of(1).unwrap(), first);
        assert_ne!(daily.of(2).unwrap(), first);
        assert_ne!(DailySalt::default().of(1).unwrap(), first);
    }
}
