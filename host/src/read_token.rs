//! A `READ_TOKEN` for those who set none and can see what the server prints.

use crate::config::Options;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;

/// Random bytes of a token: as many as a key nobody guesses has.
const TOKEN_BYTES: usize = 16;

const NAME: &str = "READ_TOKEN";

impl Options {
    /// Makes a `READ_TOKEN` up where none is set and either only this machine can
    /// reach the server or somebody is looking at what it prints. It is in memory
    /// only, and another at every start. Returns whether it did.
    ///
    /// # Errors
    ///
    /// The system gives no random bytes. Reading is closed then.
    pub fn make_up_read_token(&mut self, on_terminal: bool) -> io::Result<bool> {
        let is_local = self.bind.is_some_and(|address| address.is_loopback());
        // Each of many tenants has its own, or none.
        let Some(tenant) = self.only_mut() else {
            return Ok(false);
        };
        if tenant.settings.read_token.is_some() || !(is_local || on_terminal) {
            return Ok(false);
        }
        let mut bytes = [0; TOKEN_BYTES];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        tenant.settings.read_token = Some(token.clone());
        tenant.vars.insert(NAME.to_owned(), token);
        Ok(true)
    }

    /// Where the page is, for a person on this machine; `None` where reading is
    /// closed. A token that was made up is in it, one that was set is not.
    pub fn page_url(&self, address: SocketAddr, made_up: bool) -> Option<String> {
        let token = self.only()?.settings.read_token.as_deref()?;
        let host = match address.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            ip if ip.is_ipv6() => format!("[{ip}]"),
            ip => ip.to_string(),
        };
        let query = if made_up {
            format!("?token={token}")
        } else {
            String::new()
        };
        Some(format!("http://{host}:{}/{query}", address.port()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        Options::from_pairs(pairs.iter().copied()).unwrap()
    }

    #[test]
    fn a_token_is_made_up_only_where_it_stays_on_this_machine_or_is_seen() {
        for (pairs, on_terminal, expected) in [
            (&[("BIND", "127.0.0.1")][..], false, true),
            (&[("BIND", "::1")], false, true),
            (&[("BIND", "0.0.0.0")], false, false),
            (&[("BIND", "192.0.2.1")], true, true),
            (&[], false, false),
            (&[], true, true),
            (
                &[("BIND", "127.0.0.1"), ("READ_TOKEN", "mine")],
                true,
                false,
            ),
        ] {
            let mut options = options(pairs);
            let set = options.tenants[0].settings.read_token.clone();
            let made_up = options.make_up_read_token(on_terminal).unwrap();
            assert_eq!(made_up, expected, "{pairs:?} {on_terminal}");
            let tenant = &options.tenants[0];
            if !expected {
                assert_eq!(tenant.settings.read_token, set);
            }
            assert_eq!(tenant.vars.get(NAME), tenant.settings.read_token.as_ref());
        }
    }

    #[test]
    fn no_two_tokens_are_alike_and_the_component_takes_them() {
        let token = || {
            let mut options = options(&[("BIND", "127.0.0.1")]);
            options.make_up_read_token(false).unwrap();
            options.tenants.remove(0).settings.read_token.unwrap()
        };
        let (one, other) = (token(), token());
        assert_ne!(one, other);
        assert_eq!(one.len(), TOKEN_BYTES * 2);
        assert!(netwatch_guest::config::parse_secret(&one).is_ok());
    }

    #[test]
    fn the_pages_address_has_a_token_only_if_that_was_made_up() {
        let address = |text: &str| text.parse().unwrap();
        let mut closed = options(&[]);
        assert_eq!(closed.page_url(address("0.0.0.0:80"), false), None);
        closed.tenants[0].settings.read_token = Some("t".to_owned());
        for (at, made_up, url) in [
            ("0.0.0.0:80", true, "http://127.0.0.1:80/?token=t"),
            ("[::]:8080", true, "http://127.0.0.1:8080/?token=t"),
            ("[::1]:8080", false, "http://[::1]:8080/"),
            ("192.0.2.1:1", false, "http://192.0.2.1:1/"),
        ] {
            assert_eq!(closed.page_url(address(at), made_up).as_deref(), Some(url));
        }
    }
}
