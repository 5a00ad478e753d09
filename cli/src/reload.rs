//! What a SIGHUP does: the file is read again, and what can change while we run is changed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::reload::Handle;

use crate::admin::Admin;
use crate::file::{Plan, Remark, check};
use crate::fleet::{Fleet, Reloaded, Trials, Untried};

const KEPT: &str = "what was in effect goes on: put the file right, and send SIGHUP again";

/// Reads the file again.
pub(crate) struct Reloader {
    pub(crate) file: PathBuf,
    /// How much is logged; nothing, if a flag says that and not the file.
    pub(crate) dial: Option<Handle<LevelFilter, Registry>>,
}

/// A file that was read again, while its new probes are tried. Dropped, nothing of it is applied.
pub(crate) struct Reread {
    plan: Plan,
    trials: Trials,
    failed: Untried,
}

impl Reread {
    /// Waits until all of its new probes were tried. Cancel safe.
    pub(crate) async fn is_tried(&mut self) {
        self.trials.over(&mut self.failed).await;
    }
}

impl Reloader {
    /// Reads the file; nothing, if it is bad: then what is goes on. Logins that were refused are tried again whatever it is.
    pub(crate) fn read_again(&self, fleet: &Fleet) -> Option<Reread> {
        fleet.retry();
        tracing::info!("SIGHUP: a login that was refused is tried again");
        let plan = self.read()?;
        let trials = fleet.try_probes(&plan.rotations);
        Some(Reread { plan, trials, failed: Untried::new() })
    }

    /// Applies what can be applied while this plan is in effect, and names what cannot.
    pub(crate) async fn apply(&self, reread: Reread, plan: &Plan, fleet: &mut Fleet, admin: &mut Admin) {
        let Reread { plan: new, failed, .. } = reread;
        self.set_level(&new);
        let Reloaded { mut waiting, failed, begun } = fleet.reload(&new.rotations, &needed(plan), &failed).await;
        for member in fleet.members.iter().filter(|member| begun.contains(&member.name)) {
            admin.seat(&member.name, member.identity.operator(), member.facts());
        }
        waiting.extend(changed(plan, &new));
        for what in waiting {
            tracing::warn!(next = "restart to apply it", "SIGHUP: {what}, and is not applied");
        }
        for what in failed {
            tracing::error!(next = "put that right, and send SIGHUP again", "SIGHUP: {what}");
        }
        tracing::info!("SIGHUP: the file was read again");
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

/// The rotations that a program or a listener of this process has.
fn needed(plan: &Plan) -> BTreeSet<String> {
    let by_listeners = plan.proxies.iter().map(|proxied| &proxied.rotation);
    plan.program.iter().map(|program| &program.rotation).chain(by_listeners).cloned().collect()
}

/// What has changed that takes a restart.
fn changed(old: &Plan, new: &Plan) -> impl Iterator<Item = String> {
    let is_like = match (&old.program, &new.program) {
        (Some(old), Some(new)) => old.is_like(new),
        (old, new) => old.is_none() && new.is_none(),
    };
    let settings = [
        ("exec", !is_like),
        ("listener", new.proxies != old.proxies),
        ("admin", new.watched.socket != old.watched.socket),
        ("alert", new.watched.alarm != old.watched.alarm),
        ("telemetry", new.watched.metrics != old.watched.metrics),
        ("pid_file", new.pid_file != old.pid_file),
        ("exit_after_auth", new.exit_after_auth && !old.exit_after_auth),
        ("log_format", new.log.is_json != old.log.is_json),
    ];
    settings.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| format!("`{key}` has changed"))
}
