//! What a SIGHUP does: the file is read again, and what can change while we run is changed.

use std::path::PathBuf;

use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::reload::Handle;

use crate::file::{Plan, Remark, check};
use crate::fleet::Fleet;

const KEPT: &str = "what was in effect goes on: put the file right, and send SIGHUP again";

/// Reads the file again.
pub(crate) struct Reloader {
    pub(crate) file: PathBuf,
    /// How much is logged; nothing, if a flag says that and not the file.
    pub(crate) dial: Option<Handle<LevelFilter, Registry>>,
}

impl Reloader {
    /// Applies what can be applied, names what cannot, and keeps what is if the file is bad. Logins that were refused are tried
    /// again whatever it is.
    pub(crate) fn reload(&self, plan: &Plan, fleet: &mut Fleet) {
        if let Some(new) = self.read() {
            self.set_level(&new);
            let mut waiting = fleet.reload(&new.rotations);
            let is_like = match (&plan.program, &new.program) {
                (Some(old), Some(new)) => old.is_like(new),
                (old, new) => old.is_none() && new.is_none(),
            };
            let settings = [
                ("exec", !is_like),
                ("listener", new.proxies != plan.proxies),
                ("admin", new.watched.socket != plan.watched.socket),
                ("alert", new.watched.alarm != plan.watched.alarm),
                ("telemetry", new.watched.metrics != plan.watched.metrics),
                ("pid_file", new.pid_file != plan.pid_file),
                ("exit_after_auth", new.exit_after_auth && !plan.exit_after_auth),
                ("log_format", new.log.is_json != plan.log.is_json),
            ];
            waiting.extend(settings.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| format!("`{key}` has changed")));
            for what in waiting {
                tracing::warn!(next = "restart to apply it", "SIGHUP: {what}, and is not applied");
            }
            tracing::info!("SIGHUP: the file was read again");
        }
        fleet.retry();
        tracing::info!("SIGHUP: a login that was refused is tried again");
    }

    fn read(&self) -> Option<Plan> {
        let checked = match check(&self.file) {
            Ok(checked) => checked,
            Err(why) => {
                tracing::error!(%why, next = KEPT, "SIGHUP: the file cannot be used");
                return None;
            }
        };
        for Remark { file, place, what, remedy, .. } in &checked.remarks.faults {
            tracing::error!(file, line = place.line, column = place.column, next = remedy, "SIGHUP: {what}");
        }
        if checked.plan.is_none() {
            tracing::error!(next = KEPT, "SIGHUP: the file cannot be used");
        }
        checked.plan
    }

    fn set_level(&self, new: &Plan) {
        let level = new.log.filter();
        let Some(dial) = &self.dial else { return };
        if let Err(why) = dial.reload(level) {
            tracing::warn!(%why, "the log's level could not be set");
        }
    }
}
