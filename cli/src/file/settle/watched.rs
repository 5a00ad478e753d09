//! Who may look at the process and ask it for something, and who is told when something is wrong.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::super::plan::Watched;
use super::super::tree::Value;
use super::super::value;
use super::{Settler, Stanza};
use crate::admin::{Alarm, Receiver, is_webhook};
use crate::operate::SOCKET;

/// The longest path of a socket, in bytes.
const PATH_LIMIT: usize = 107;
const MODE: u32 = 0o600;
/// So many characters in a row of an address are nothing that a person made up.
const UNGUESSED: usize = 20;
/// So long telling of an alert may take.
const TIMEOUT: Duration = Duration::from_secs(10);

impl<'a> Settler<'a, '_> {
    /// What is there and wrong is a fault, and the plan is none.
    pub(super) fn watched(&mut self, file: &Stanza<'a>) -> Watched {
        let socket = file.item("admin").and_then(|item| self.socket(&Stanza::of("admin", item)));
        let telemetry = file.within("telemetry");
        let metrics = self.parsed(&telemetry, "prometheus", "write an address with a port: \"127.0.0.1:9100\"");
        let alarm = file.item("alert").and_then(|item| self.alarm(&Stanza::of("alert", item)));
        Watched { socket, metrics, alarm }
    }

    fn socket(&mut self, admin: &Stanza<'a>) -> Option<(PathBuf, u32)> {
        let path = self.text(admin, "address", Some(SOCKET))?;
        let mode = self.pick(admin, "mode", value::mode, |mode| format!("{mode:04o}"), Some(MODE))?;
        if path.len() > PATH_LIMIT {
            let remedy = format!("use a path of at most {PATH_LIMIT} bytes");
            return self.fault(admin.at("address"), "`address` is too long for a socket", remedy);
        }
        if mode & !0o770 != 0 || mode & 0o200 == 0 {
            let remedy = "write \"0600\", or \"0660\" for a group: who may write to it may ask for everything";
            return self.fault(admin.at("mode"), "`mode` is not one of an admin socket", remedy);
        }
        Some((path.into(), mode))
    }

    fn alarm(&mut self, alert: &Stanza<'a>) -> Option<Alarm> {
        let patience = self.duration(alert, "timeout", TIMEOUT);
        let to = match ["webhook", "webhook_file", "command"].map(|key| alert.item(key).is_some()) {
            [true, false, false] => Receiver::Webhook(self.webhook(alert)?),
            [false, true, false] => Receiver::WebhookIn(self.text(alert, "webhook_file", None)?.into()),
            [false, false, true] => Receiver::Command(self.pick(alert, "command", value::texts, |argv| argv.join(" "), None)?),
            _ => {
                let remedy = "add one of webhook = \"https://…\", webhook_file = \"/…\" and command = [\"/…\"]";
                return self.fault(alert.at, "`alert` tells nobody, or two", remedy);
            }
        };
        if matches!(&to, Receiver::Command(argv) if argv.is_empty()) {
            return self.fault(alert.at("command"), "`command` names no program", "write command = [\"/path/of/a/program\"]");
        }
        Some(Alarm { to, patience })
    }

    /// What is shown of it is where it goes: what follows that may be a secret.
    fn webhook(&mut self, alert: &Stanza<'a>) -> Option<Uri> {
        let form = "write https://HOST/PATH or http://HOST/PATH, without a user";
        let read = |value: &Value| value::text(value)?.parse::<Uri>().ok().filter(is_webhook);
        let shown = |uri: &Uri| {
            let host = uri.authority().map(ToString::to_string).unwrap_or_default();
            format!("{}://{host}/…", uri.scheme_str().unwrap_or_default())
        };
        let Some(uri) = self.pick(alert, "webhook", read, shown, None) else {
            return self.fault(alert.at("webhook"), "`webhook` has a value that cannot be used", form);
        };
        let parts = uri.path_and_query().map_or("", |parts| parts.as_str()).split(['/', '?', '&', '=']);
        if parts.max_by_key(|part| part.len()).is_some_and(|part| part.len() >= UNGUESSED) {
            let what = "`webhook` has the look of an address with a secret in it, where others read";
            self.notice(alert.at("webhook"), what, "write it to a file of mode 0600, and that as `webhook_file`");
        }
        Some(uri)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::super::source::Source;
    use super::super::super::{Checked, examine};
    use crate::admin::{Alarm, Receiver};

    /// A file that is good, with these lines more.
    fn checked(lines: &str) -> Checked {
        let text = format!(
            "vault {{ address = \"http://127.0.0.1:8200\" }}
            auto_auth {{
              method \"approle\" {{
                config = {{
                  role_id_file_path = \"/a\"
                  secret_id_file_path = \"/b\"
                  remove_secret_id_file_after_reading = false
                }}
              }}
              sink \"file\" {{
                config = {{
                  path = \"/tmp/t\"
                  mode = 0600
                }}
              }}
            }}
            journal {{ path = \"/tmp/j\" }}
            {lines}\n"
        );
        examine(Source { path: PathBuf::from("a.hcl"), text })
    }

    fn faults(lines: &str) -> String {
        checked(lines).remarks.faults.iter().map(|fault| fault.what.clone() + "; ").collect()
    }

    #[test]
    fn nobody_looks_unless_the_file_says_so() {
        let watched = checked("").plan.expect("it is good").watched;
        assert!(watched.socket.is_none() && watched.metrics.is_none() && watched.alarm.is_none());
        let watched = checked("admin {\n}").plan.expect("it is good").watched;
        assert_eq!(watched.socket, Some((PathBuf::from("/run/turquoise/admin.sock"), 0o600)));
    }

    #[test]
    fn the_file_says_who_looks_and_who_is_told() {
        let lines = "admin {\naddress = \"/tmp/a.sock\"\nmode = \"0660\"\n}\ntelemetry {\nprometheus = \"[::1]:9100\"\n}\n\
                     alert {\ncommand = [\"/bin/page\", \"me\"]\ntimeout = \"3s\"\n}";
        let watched = checked(lines).plan.expect("it is good").watched;
        assert_eq!(watched.socket, Some((PathBuf::from("/tmp/a.sock"), 0o660)));
        assert_eq!(watched.metrics, Some("[::1]:9100".parse().expect("it is one")));
        let Some(Alarm { to: Receiver::Command(argv), patience }) = watched.alarm else { panic!("it tells a command") };
        assert_eq!((argv.join(" ").as_str(), patience.as_secs()), ("/bin/page me", 3));
        let watched = checked("alert {\nwebhook = \"https://a.example/b\"\n}").plan.expect("it is good").watched;
        assert!(matches!(watched.alarm, Some(Alarm { to: Receiver::Webhook(_), .. })));
        let watched = checked("alert {\nwebhook_file = \"/etc/hook\"\n}").plan.expect("it is good").watched;
        assert!(matches!(watched.alarm, Some(Alarm { to: Receiver::WebhookIn(file), .. }) if file == *"/etc/hook"));
    }

    #[test]
    fn what_follows_the_host_of_a_webhook_is_not_shown() {
        let checked = checked("alert {\nwebhook = \"https://hooks.example/T01/B02/swordfishswordfishsword\"\n}");
        assert!(checked.remarks.notices.iter().any(|notice| notice.remedy.contains("webhook_file")));
        let settings = checked.plan.expect("it is good").settings;
        let shown = settings.iter().find(|setting| setting.key == "alert.webhook").expect("it is shown");
        assert_eq!(shown.value, "https://hooks.example/…");
        assert!(!format!("{:?} {settings:?}", checked.remarks.notices).contains("swordfish"));
    }

    #[test]
    fn what_cannot_be_is_a_fault() {
        for (lines, what) in [
            ("admin {\nmode = 0666\n}", "`mode` is not one of an admin socket"),
            ("admin {\nmode = 0400\n}", "`mode` is not one of an admin socket"),
            ("telemetry {\nprometheus = \"9100\"\n}", "`prometheus` has a value"),
            ("alert {\n}", "tells nobody"),
            ("alert {\nwebhook = \"https://a\"\ncommand = [\"/b\"]\n}", "tells nobody, or two"),
            ("alert {\nwebhook = \"https://a\"\nwebhook_file = \"/b\"\n}", "tells nobody, or two"),
            ("alert {\ncommand = []\n}", "names no program"),
            ("alert {\nwebhook = \"ftp://a/b\"\n}", "`webhook` has a value"),
            ("alert {\nwebhook = \"https://me:pw@a/b\"\n}", "`webhook` has a value"),
        ] {
            let told = faults(lines);
            assert!(told.contains(what), "{lines}: {told}");
        }
        let long = format!("admin {{\naddress = \"/{}\"\n}}", "x".repeat(107));
        assert!(faults(&long).contains("too long"));
    }
}
