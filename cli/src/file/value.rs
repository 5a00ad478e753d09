//! Single values, as the agents read them.

use std::time::Duration;

use super::tree::Value;

/// No time is longer: ten years.
const LONGEST: Duration = Duration::from_hours(24 * 3653);

/// A number of seconds, or a text with units.
pub(crate) fn duration(value: &Value) -> Option<Duration> {
    let (Value::Number(text) | Value::Text(text)) = value else { return None };
    let duration = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text).ok()?,
    };
    (duration <= LONGEST).then_some(duration)
}

/// A duration of the command line.
pub(crate) fn span(text: &str) -> Result<Duration, &'static str> {
    duration(&Value::Text(text.to_owned())).ok_or("write 30s, 5m or 1h")
}

pub(crate) fn show_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Permissions. A number is read as the agents read it: octal if it begins with 0. A text, which they refuse, is octal.
pub(crate) fn mode(value: &Value) -> Option<u32> {
    match value {
        Value::Text(text) => u32::from_str_radix(text, 8).ok(),
        Value::Number(text) => match text.strip_prefix('0') {
            Some(octal) if !octal.is_empty() => u32::from_str_radix(octal, 8).ok(),
            _ => text.parse().ok(),
        },
        _ => None,
    }
}

/// Whole hundredths, at least one: `"5%"`.
pub(crate) fn percent(value: &Value) -> Option<u16> {
    let Value::Text(text) = value else { return None };
    text.strip_suffix('%')?.trim_end().parse().ok().filter(|percent| (1..=100).contains(percent))
}

pub(crate) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Flag(flag) => Some(*flag),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

pub(crate) fn count(value: &Value) -> Option<i64> {
    match value {
        Value::Number(text) | Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) if !text.is_empty() && !text.contains(char::is_control) => Some(text.clone()),
        _ => None,
    }
}

pub(crate) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::List(values) => values.iter().map(text).collect(),
        _ => None,
    }
}

/// A text of any number of lines.
pub(crate) fn lines(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) if !text.contains('\0') => Some(text),
        _ => None,
    }
}

/// A name, or a flag by its name.
pub(crate) fn name(value: &Value) -> Option<String> {
    match value {
        Value::Flag(flag) => Some(flag.to_string()),
        other => text(other),
    }
}

/// Whether a text has the look of a token or of a secret id.
pub(crate) fn is_secret(text: &str) -> bool {
    let is_long =
        |rest: &str, least: usize| rest.len() >= least && rest.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let new = ["hvs.", "hvb.", "hvr."].iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| is_long(rest, 8)));
    let old = ["s.", "b.", "r."].iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| is_long(rest, 20)));
    let groups: Vec<_> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    let id = lengths.eq([8, 4, 4, 4, 12]) && groups.iter().all(|group| group.chars().all(|c| c.is_ascii_hexdigit()));
    new || old || id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_read_as_the_agents_read_them() {
        let number = |text: &str| mode(&Value::Number(text.to_owned()));
        for (text, bits) in [("0600", 0o600), ("0640", 0o640), ("600", 600), ("384", 0o600), ("0", 0), ("0000", 0)] {
            assert_eq!(number(text), Some(bits), "{text}");
        }
        assert_eq!(number("0900"), None);
        assert_eq!(number("-1"), None);
        assert_eq!(mode(&Value::Text("0600".to_owned())), Some(0o600));
        assert_eq!(mode(&Value::Text("600".to_owned())), Some(0o600));
    }

    #[test]
    fn a_duration_is_a_number_of_seconds_or_has_units() {
        for (text, seconds) in [("5m", 300), ("1h30m", 5400), ("90", 90), ("12h", 43200)] {
            assert_eq!(duration(&Value::Text(text.to_owned())), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration(&Value::Number("7".to_owned())), Some(Duration::from_secs(7)));
        assert_eq!(duration(&Value::Text("500ms".to_owned())), Some(Duration::from_millis(500)));
        for text in ["", "soon", "-5s", "5 parsecs"] {
            assert_eq!(duration(&Value::Text(text.to_owned())), None, "{text:?}");
        }
    }

    #[test]
    fn a_share_is_a_whole_percentage() {
        let percents = ["1%", "5%", "100 %", "0%", "101%", "5", "%", "-1%", "1.5%"];
        let read = percents.map(|text| percent(&Value::Text(text.to_owned())));
        assert_eq!(read, [Some(1), Some(5), Some(100), None, None, None, None, None, None]);
    }

    #[test]
    fn a_secret_is_known_by_its_looks() {
        for text in ["hvs.CAESIJ1abcdef", "s.3jnbMAKl1i4YS3QoKdbHzGXq", "b2fd2e9e-6d34-4b37-9a3c-0a1b2c3d4e5f"] {
            assert!(is_secret(text), "{text}");
        }
        for text in ["hvs", "s.yaml", "/etc/openbao/roleid", "https://vault:8200", "12h", "secret/data/app", "a-b-c-d-e"] {
            assert!(!is_secret(text), "{text}");
        }
    }
}
