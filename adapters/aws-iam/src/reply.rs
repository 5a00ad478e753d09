//! What AWS tells, parsed.

use std::time::SystemTime;

use roxmltree::{Document, Node};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::key::Key;

/// A key as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) active: bool,
    /// In whole seconds, by AWS's clock.
    pub(crate) created: SystemTime,
}

/// The reply as a tree. The parser's own complaint may quote it, so nothing but that there is one is told.
fn tree(body: &Zeroizing<Vec<u8>>) -> Result<Document<'_>, Failure> {
    let text = str::from_utf8(body).map_err(|_| nonsense())?;
    Document::parse(text).map_err(|_| nonsense())
}

fn nonsense() -> Failure {
    Failure::Unknown("the reply is not as expected".to_owned())
}

/// The text of the first element of this name, wherever it is.
pub(crate) fn text_of(xml: &Document<'_>, name: &str) -> Option<String> {
    xml.descendants().find(|node| node.tag_name().name() == name)?.text().map(str::to_owned)
}

fn child<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, Failure> {
    node.children().find(|child| child.tag_name().name() == name).and_then(|child| child.text()).ok_or_else(nonsense)
}

/// Each element of a list of this name.
fn members<'a, 'i>(xml: &'a Document<'i>, list: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    let found = xml.descendants().find(|node| node.tag_name().name() == list);
    found.into_iter().flat_map(|list| list.children()).filter(Node::is_element)
}

/// Who asked.
pub(crate) fn identity(body: &Zeroizing<Vec<u8>>) -> Result<String, Failure> {
    text_of(&tree(body)?, "Arn").ok_or_else(nonsense)
}

pub(crate) fn made(body: &Zeroizing<Vec<u8>>) -> Result<Key, Failure> {
    let xml = tree(body)?;
    let key = xml.descendants().find(|node| node.tag_name().name() == "AccessKey").ok_or_else(nonsense)?;
    Ok(Key { id: child(key, "AccessKeyId")?.to_owned(), secret: child(key, "SecretAccessKey")?.into() })
}

pub(crate) fn listed(body: &Zeroizing<Vec<u8>>) -> Result<Vec<Listed>, Failure> {
    let xml = tree(body)?;
    // A list that is cut short proves nothing of what is not in it. No user has more than two keys.
    if text_of(&xml, "IsTruncated").as_deref() == Some("true") {
        return Err(nonsense());
    }
    let key = |node| {
        let created = humantime::parse_rfc3339(child(node, "CreateDate")?).map_err(|_| nonsense())?;
        Ok(Listed { id: child(node, "AccessKeyId")?.to_owned(), active: child(node, "Status")? == "Active", created })
    };
    members(&xml, "AccessKeyMetadata").map(key).collect()
}

/// The value of one of a user's tags.
pub(crate) fn tag(body: &Zeroizing<Vec<u8>>, name: &str) -> Result<Option<String>, Failure> {
    let xml = tree(body)?;
    for node in members(&xml, "Tags") {
        if child(node, "Key")? == name {
            return child(node, "Value").map(|value| Some(value.to_owned()));
        }
    }
    Ok(None)
}

/// When a key was last used and by which service, if it ever was.
pub(crate) fn last_used(body: &Zeroizing<Vec<u8>>) -> Result<Option<(SystemTime, String)>, Failure> {
    let xml = tree(body)?;
    let Some(date) = text_of(&xml, "LastUsedDate") else { return Ok(None) };
    let at = humantime::parse_rfc3339(&date).map_err(|_| nonsense())?;
    Ok(Some((at, text_of(&xml, "ServiceName").unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn body(inner: &str) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(
            format!("<R xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Result>{inner}</Result></R>").into_bytes(),
        )
    }

    #[test]
    fn keys_are_read_as_they_are_listed() {
        let key = "<member><UserName>a</UserName><AccessKeyId>AKIA1</AccessKeyId><Status>Inactive</Status>\
                   <CreateDate>1970-01-01T00:00:09Z</CreateDate></member>";
        let list = |rest: &str| body(&format!("<IsTruncated>{rest}</IsTruncated><AccessKeyMetadata>{key}</AccessKeyMetadata>"));
        let created = SystemTime::UNIX_EPOCH + Duration::from_secs(9);
        let expected = Listed { id: "AKIA1".to_owned(), active: false, created };
        assert_eq!(listed(&list("false")).expect("a list"), [expected]);
        assert!(listed(&list("true")).is_err(), "what is cut short proves nothing");
        assert_eq!(listed(&body("<AccessKeyMetadata/>")).expect("a list"), []);
    }

    #[test]
    fn what_is_not_there_is_told_from_what_is_not_as_expected() {
        let tags =
            body("<Tags><member><Key>a</Key><Value>1</Value></member><member><Key>b</Key><Value>2</Value></member></Tags>");
        assert_eq!(tag(&tags, "b").expect("tags").as_deref(), Some("2"));
        assert_eq!(tag(&tags, "c").expect("tags"), None);
        assert!(tag(&Zeroizing::new(b"<".to_vec()), "c").is_err());
        let never = body("<AccessKeyLastUsed><ServiceName>N/A</ServiceName></AccessKeyLastUsed>");
        assert_eq!(last_used(&never).expect("an answer"), None);
    }

    #[test]
    fn a_key_is_made_of_an_id_and_a_secret() {
        let key = body("<AccessKey><AccessKeyId>AKIA1</AccessKeyId><SecretAccessKey>a/b+c</SecretAccessKey></AccessKey>");
        let made = made(&key).expect("a key");
        assert_eq!((made.id.as_str(), made.secret.expose_secret()), ("AKIA1", "a/b+c"));
    }
}
