//! What an AWS client that starts a process for its credentials wants to read.

use std::time::SystemTime;

use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::source::Source;

/// Why there is nothing to hand out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProcessError(String);

impl From<Failure> for ProcessError {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

/// The answer to a `credential_process`: the key that is there now, and when to ask again at the latest.
///
/// The key itself has no end. A client asks again some minutes before `expires`, so a grace must last from one asking to the next.
///
/// # Errors
///
/// There is no key, or nothing that can be one.
pub fn process_answer(source: &Source, expires: SystemTime) -> Result<Zeroizing<String>, ProcessError> {
    let made = source.read()?;
    let (id, secret) = (made.id.as_str(), made.secret.expose_secret());
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/+=_-.".contains(&byte));
    if !plain(id) || !plain(secret) {
        return Err(ProcessError("what is there holds characters that no access key has: look at the file".to_owned()));
    }
    let expires = humantime::format_rfc3339_seconds(expires).to_string();
    let parts =
        [r#"{"Version":1,"AccessKeyId":""#, id, r#"","SecretAccessKey":""#, secret, r#"","Expiration":""#, &expires, "\"}\n"];
    // The text never grows: growing would leave a copy behind.
    let mut answer = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        answer.push_str(part);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_answer_is_what_aws_clients_read() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let source = Source::Profile { file: file.path().to_owned(), profile: "a".to_owned() };
        let answer = |content: &str| {
            fs::write(file.path(), content).expect("a write");
            process_answer(&source, UNIX_EPOCH + Duration::from_mins(1))
        };
        let key = "[a]\naws_access_key_id = AKIA1\naws_secret_access_key = x/y+z\n";
        let said: serde_json::Value = serde_json::from_str(&answer(key).expect("an answer")).expect("JSON");
        let expected = serde_json::json!({
            "Version": 1, "AccessKeyId": "AKIA1", "SecretAccessKey": "x/y+z", "Expiration": "1970-01-01T00:01:00Z",
        });
        assert_eq!(said, expected);
        assert!(answer("[a]\naws_access_key_id = AK\"IA\naws_secret_access_key = x\n").is_err());
        assert!(answer("").is_err());
    }
}
