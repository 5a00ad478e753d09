//! Who may look at the process and ask it for something, and who is told when something is wrong.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::super::plan::Watched;
use super::super::value;
use super::{Settler, Stanza};
use crate::admin::{Alarm, Receiver};
use crate::operate::SOCKET;

/// The longest path of a socket, in bytes.
const PATH_LIMIT: usize = 107;
const MODE: u32 = 0o600;
/// So long telling of an alert may take.
const TIMEOUT: Duration = Duration::from_secs(10);

impl<'a> Settler<'a, '_> {
    pub(super) fn watched(&mut self, file: &Stanza<'a>) -> Option<Watched> {
        let socket = file.item("admin").map(|item| self.socket(&Stanza::of("admin", item)));
        let telemetry = file.within("telemetry");
        let form = "write an address with a port: \"127.0.0.1:9100\"";
        let metrics = telemetry.item("prometheus").map(|_| self.parsed(&telemetry, "prometheus", form));
        let alarm = file.item("alert").map(|item| self.alarm(&Stanza::of("alert", item)));
        Some(Watched { socket: all(socket)?, metrics: all(metrics)?, alarm: all(alarm)? })
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
        let to = match (alert.item("webhook"), alert.item("command")) {
            (Some(_), None) => Receiver::Webhook(self.webhook(alert)?),
            (None, Some(_)) => Receiver::Command(self.pick(alert, "command", value::texts, |argv| argv.join(" "), None)?),
            _ => {
                let remedy = "add webhook = \"https://…\" or command = [\"/…\"], and not both";
                return self.fault(alert.at, "`alert` tells nobody, or two", remedy);
            }
        };
        if matches!(&to, Receiver::Command(argv) if argv.is_empty()) {
            return self.fault(alert.at("command"), "`command` names no program", "write command = [\"/path/of/a/program\"]");
        }
        Some(Alarm { to, patience })
    }

    fn webhook(&mut self, alert: &Stanza<'a>) -> Option<Uri> {
        let form = "write https://HOST/PATH or http://HOST/PATH, without a user";
        let uri: Uri = self.parsed(alert, "webhook", form)?;
        let is_taken = matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        if is_taken { Some(uri) } else { self.fault(alert.at("webhook"), "`webhook` has a value that cannot be used", form) }
    }
}

/// What is not there is no fault; what is there and wrong is one.
fn all<T>(found: Option<Option<T>>) -> Option<Option<T>> {
    found.map_or(Some(None), |found| found.map(Some))
}
