//! Who makes a request, and with what it is sent.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONNECTION, EXPECT, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use turquoise_runtime::memory::{ExposeSecret as _, Secret};
use zeroize::Zeroizing;

use crate::local::{Accepted, LocalToken};
use crate::settings::AutoAuth;

pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const PROXY_AUTHORIZATION: HeaderName = HeaderName::from_static("proxy-authorization");
const PROXY_AUTHENTICATE: HeaderName = HeaderName::from_static("proxy-authenticate");

/// With what a request is sent. It has no `Debug`.
#[derive(PartialEq, Eq)]
pub(crate) enum Bearer {
    /// With the credential that serves.
    Ours,
    /// With the client's own token, untouched.
    Theirs(Zeroizing<Vec<u8>>),
    /// With none.
    Nobody,
    /// Not at all: it shows a local token that is none any more, and that no server is to see.
    Stale,
}

impl Bearer {
    /// Of a request by its headers.
    pub(crate) fn of(headers: &HeaderMap, local: Option<&Accepted>, auto: AutoAuth) -> Self {
        let (mut theirs, mut is_stale) = (None, false);
        for token in shown(headers) {
            if local.is_some_and(|local| local.find(token).is_some()) {
                return Self::Ours;
            }
            is_stale |= LocalToken::is_written_so(token);
            theirs = theirs.or(Some(token));
        }
        match (theirs, auto) {
            (_, AutoAuth::Force) | (None, AutoAuth::On) => Self::Ours,
            _ if is_stale => Self::Stale,
            (Some(token), _) => Self::Theirs(Zeroizing::new(token.to_vec())),
            (None, AutoAuth::Off) => Self::Nobody,
        }
    }
}

/// The local token that a request shows.
pub(crate) fn shown_local<'a>(headers: &HeaderMap, local: &'a Accepted) -> Option<&'a LocalToken> {
    shown(headers).find_map(|token| local.find(token))
}

/// The tokens that a request shows, in either header.
fn shown(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let own = headers.get_all(TOKEN).iter().map(|value| value.as_bytes().trim_ascii());
    let bearer = headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, token) = value.as_bytes().trim_ascii().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
    });
    own.chain(bearer).filter(|token| !token.is_empty())
}

/// Writes the credential into a request, in place of whatever it shows.
pub(crate) fn bear(secret: &Secret, headers: &mut HeaderMap) -> Result<(), http::header::InvalidHeaderValue> {
    headers.remove(AUTHORIZATION);
    let bytes = Zeroizing::new(secret.expose_secret().as_bytes().to_vec());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes))?;
    value.set_sensitive(true);
    headers.insert(TOKEN, value);
    Ok(())
}

/// Takes away what is said of the client's connection and not of the request.
pub(crate) fn strip_hop(headers: &mut HeaderMap) {
    // What the client names here it may not take away from us: nothing of ours is in it yet.
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

/// What is the proxy's own to say to the server, too.
pub(crate) fn strip_ours(headers: &mut HeaderMap) {
    strip_hop(headers);
    headers.remove(HOST);
    headers.remove(EXPECT);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Locals;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value")))
            .collect()
    }

    #[test]
    fn the_local_token_is_known_in_either_header_and_others_pass_unless_forced() {
        let folder = tempfile::tempdir().expect("a folder");
        let local = LocalToken::in_file(&folder.path().join("local")).expect("a new one");
        let text = local.expose_secret().to_owned();
        let local = Locals::new(Some(local)).now().expect("there is one");
        let of = |pairs: &[(&'static str, &str)], auto| Bearer::of(&headers(pairs), Some(&local), auto);
        let theirs = || Bearer::Theirs(Zeroizing::new(b"s.x".to_vec()));
        for auto in [AutoAuth::Off, AutoAuth::On] {
            assert!(of(&[("x-vault-token", &text)], auto) == Bearer::Ours);
            assert!(of(&[("authorization", &format!("bEARER {text}"))], auto) == Bearer::Ours);
            assert!(of(&[("x-vault-token", "s.x"), ("authorization", &format!("Bearer {text}"))], auto) == Bearer::Ours);
            assert!(of(&[("x-vault-token", "s.x")], auto) == theirs());
            assert!(of(&[("authorization", "Bearer s.x")], auto) == theirs());
        }
        for none in [&[][..], &[("x-vault-token", "")], &[("authorization", "Basic x")]] {
            assert!(of(none, AutoAuth::Off) == Bearer::Nobody);
            assert!(of(none, AutoAuth::On) == Bearer::Ours);
        }
        assert!(of(&[("x-vault-token", "s.x")], AutoAuth::Force) == Bearer::Ours);
        let other = format!("turq_{}", "x".repeat(43));
        for stale in
            [&[("x-vault-token", other.as_str())][..], &[("x-vault-token", "s.x"), ("authorization", &format!("Bearer {other}"))]]
        {
            assert!(of(stale, AutoAuth::On) == Bearer::Stale);
            assert!(of(stale, AutoAuth::Force) == Bearer::Ours);
        }
    }

    #[test]
    fn a_client_cannot_name_our_header_as_its_connections_own() {
        let mut headers = headers(&[("connection", "close, X-Vault-Token"), ("x-vault-token", "s.x"), ("te", "trailers")]);
        strip_ours(&mut headers);
        assert!(headers.is_empty());
        bear(&"hvs.ours".into(), &mut headers).expect("a header");
        assert_eq!(headers[TOKEN], "hvs.ours");
        assert!(headers[TOKEN].is_sensitive());
    }
}
