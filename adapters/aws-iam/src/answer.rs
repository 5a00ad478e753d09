//! What AWS clients want to read that ask somebody for their credentials.

use std::time::SystemTime;

use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::key::NoKey;
use crate::sign::Caller;

/// The answer to a `credential_process`: a key, and when to ask again at the latest.
///
/// The key itself has no end. A client asks again some minutes before `expires`, so a grace must last from one asking to the next.
///
/// # Errors
///
/// It holds something that no access key has.
pub fn process_answer<'a>(key: impl Into<Caller<'a>>, expires: SystemTime) -> Result<Zeroizing<String>, NoKey> {
    json(r#""Version":1"#, key.into(), expires)
}

/// The answer of a container's endpoint. There is no session, but some clients take no answer without its token.
pub(crate) fn container_answer(key: Caller<'_>, expires: SystemTime) -> Result<Zeroizing<String>, NoKey> {
    json(r#""Token":"""#, key, expires)
}

fn json(member: &str, Caller { id, secret }: Caller<'_>, expires: SystemTime) -> Result<Zeroizing<String>, NoKey> {
    let secret = secret.expose_secret();
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/+=_-.".contains(&byte));
    if !plain(id) || !plain(secret) {
        return Err(NoKey("what is there holds characters that no access key has: look at the file".to_owned()));
    }
    let expires = humantime::format_rfc3339_seconds(expires).to_string();
    let parts =
        ["{", member, r#","AccessKeyId":""#, id, r#"","SecretAccessKey":""#, secret, r#"","Expiration":""#, &expires, "\"}\n"];
    // The text never grows: growing would leave a copy behind.
    let mut answer = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        answer.push_str(part);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::*;
    use crate::key::Key;

    const EXPIRES: Duration = Duration::from_mins(1);

    fn key(id: &str, secret: &str) -> Key {
        Key { id: id.to_owned(), secret: secret.into() }
    }

    fn read(answer: Result<Zeroizing<String>, NoKey>) -> Value {
        serde_json::from_str(&answer.expect("an answer")).expect("JSON")
    }

    #[test]
    fn the_answer_is_what_aws_clients_read() {
        let (key, at, expires) = (key("AKIA1", "x/y+z"), UNIX_EPOCH + EXPIRES, "1970-01-01T00:01:00Z");
        let process = json!({ "Version": 1, "AccessKeyId": "AKIA1", "SecretAccessKey": "x/y+z", "Expiration": expires });
        assert_eq!(read(process_answer(&key, at)), process);
        let container = json!({ "Token": "", "AccessKeyId": "AKIA1", "SecretAccessKey": "x/y+z", "Expiration": expires });
        assert_eq!(read(container_answer((&key).into(), at)), container);
    }

    #[test]
    fn nothing_of_a_key_is_read_as_something_else() {
        assert!(process_answer(&key("AK\"IA", "x"), UNIX_EPOCH).is_err());
        assert!(process_answer(&key("AKIA", "x\ny"), UNIX_EPOCH).is_err());
    }
}
