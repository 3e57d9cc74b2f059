//! Proofs of the password, one per authentication plugin, and which plugins may be used on which channel.

use std::panic::{AssertUnwindSafe, catch_unwind};

use junto_connector::{Error, Result};
use junto_types::Secret;
use mysql_common::scramble::{create_response_for_ed25519, scramble_native, scramble_sha256};

use super::cursor::malformed;

/// How the password is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plugin {
    Native,
    CachingSha2,
    Ed25519,
    /// The password itself, for servers that hand it on (LDAP, PAM).
    Clear,
}

/// What the channel is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channel {
    /// Nobody can listen: TLS or a unix socket.
    pub(crate) is_private: bool,
    /// The password may be sent as it is over a private channel.
    pub(crate) allow_clear_password: bool,
    /// The server's RSA key may be taken over a channel that is not private.
    pub(crate) allow_public_key: bool,
}

impl Plugin {
    /// The plugin with this name.
    ///
    /// # Errors
    /// [`Error::LoginRefused`] for plugins that Junto does not have.
    pub(crate) fn named(name: &[u8], user: &str) -> Result<Self> {
        match name {
            b"mysql_native_password" => Ok(Plugin::Native),
            b"caching_sha2_password" => Ok(Plugin::CachingSha2),
            b"client_ed25519" => Ok(Plugin::Ed25519),
            b"mysql_clear_password" => Ok(Plugin::Clear),
            other => {
                let name = String::from_utf8_lossy(&other[..other.len().min(64)]).into_owned();
                Err(refused(user, &format!("the server asks for the plugin `{name}`, which Junto does not have")))
            }
        }
    }

    /// The first answer to the server's `nonce`.
    pub(crate) fn answer(self, password: &Secret, nonce: &[u8], channel: Channel, user: &str) -> Result<Vec<u8>> {
        let password = password.expose().as_bytes();
        let nonce = nonce.strip_suffix(&[0]).filter(|short| matches!(short.len(), 20 | 32)).unwrap_or(nonce);
        match self {
            Plugin::Native => Ok(scramble_native(nonce, password).map(Vec::from).unwrap_or_default()),
            Plugin::CachingSha2 => Ok(scramble_sha256(nonce, password).map(Vec::from).unwrap_or_default()),
            Plugin::Ed25519 => Ok(create_response_for_ed25519(password, nonce).to_vec()),
            Plugin::Clear if channel.is_private && channel.allow_clear_password => Ok(clear(password)),
            Plugin::Clear => Err(refused(
                user,
                "the server asks for the password in clear text; `allow_clear_password` permits that over TLS",
            )),
        }
    }
}

/// The password as it is, for private channels.
pub(crate) fn clear(password: &[u8]) -> Vec<u8> {
    [password, &[0]].concat()
}

/// The password sealed with the server's RSA key.
///
/// # Errors
/// When the key cannot be read: the parser behind it panics on keys made by hand, which is caught here.
pub(crate) fn sealed(password: &Secret, nonce: &[u8], public_key_pem: &[u8]) -> Result<Vec<u8>> {
    if nonce.is_empty() {
        return Err(malformed("no nonce to seal the password with"));
    }
    let mut plain = clear(password.expose().as_bytes());
    for (byte, salt) in plain.iter_mut().zip(nonce.iter().cycle()) {
        *byte ^= salt;
    }
    catch_unwind(AssertUnwindSafe(|| mysql_common::crypto::encrypt(&plain, public_key_pem)))
        .map_err(|_| malformed("a public key that cannot be read"))
}

/// A refused login.
pub(crate) fn refused(user: &str, reason: &str) -> Error {
    Error::LoginRefused { user: user.into(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Channel = Channel { is_private: false, allow_clear_password: true, allow_public_key: false };

    #[test]
    fn the_password_never_goes_out_in_clear_over_an_open_channel() {
        let password = Secret::new("canary");
        let error = Plugin::Clear.answer(&password, b"", OPEN, "ada").expect_err("refused");
        assert!(matches!(&error, Error::LoginRefused { .. }) && !format!("{error:?}").contains("canary"));
        let private = Channel { is_private: true, ..OPEN };
        assert_eq!(Plugin::Clear.answer(&password, b"", private, "ada").expect("permitted"), b"canary\0");
    }

    #[test]
    fn a_broken_public_key_is_an_error() {
        assert!(sealed(&Secret::new("x"), &[1; 20], b"no key").is_err());
    }

    #[test]
    fn ed25519_answers_with_a_signature() {
        let answer = Plugin::Ed25519.answer(&Secret::new("x"), &[1; 32], OPEN, "ada").expect("signed");
        assert_eq!(answer.len(), 64);
    }
}
