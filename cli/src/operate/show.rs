//! Tables and lines, for people.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use humantime::format_duration;
use serde::Serialize;

use crate::admin::shape::{Hanging, Happened, Held, Moment, Owed, Planned, Plans, Replaced, Scheduled, Standing, Standings};

pub(super) const BLUE: Style = AnsiColor::BrightBlue.on_default().bold();
pub(super) const GREEN: Style = AnsiColor::BrightGreen.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

/// The colour of a slot.
pub(super) fn color(slot: &str) -> Style {
    if slot == "blue" { BLUE } else { GREEN }
}

/// A debt, with whose it is.
#[derive(Serialize)]
pub(super) struct Owing<'a> {
    pub(super) identity: &'a str,
    #[serde(flatten)]
    pub(super) debt: &'a Owed,
    /// What last went wrong.
    pub(super) reason: &'a Option<String>,
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(110);
    table.set_header(header);
    table
}

/// Somebody else's words, without what a terminal would obey.
pub(super) fn plain(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How long, in whole seconds, by its two largest units.
pub(super) fn span(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.abs().round()).unwrap_or(Duration::MAX);
    let text = format_duration(whole).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// From now on, or since.
pub(super) fn moment(moment: Option<&Moment>) -> String {
    match moment {
        None => "–".to_owned(),
        Some(Moment { in_seconds, .. }) if *in_seconds < 0.0 => format!("{} ago", span(*in_seconds)),
        Some(Moment { in_seconds, .. }) => format!("in {}", span(*in_seconds)),
    }
}

fn credential(held: Option<&Held>) -> [String; 3] {
    match held {
        None => ["–".to_owned(), String::new(), String::new()],
        Some(Held { generation, slot, role, in_flight, dependents, expires, .. }) => {
            let work = format!("{in_flight}{}", hanging(*dependents));
            [format!("{slot} {generation}\n{role}"), moment(expires.as_ref()), work]
        }
    }
}

/// How much of the work that holds a credential hangs from it.
fn hanging(Hanging { leases, children }: Hanging) -> String {
    let some = |count: usize, what: &str| (count > 0).then(|| format!("\n{what}: {count}"));
    [some(leases, "leases"), some(children, "children")].into_iter().flatten().collect()
}

pub(super) fn standings(told: &Standings) -> String {
    let mut table = table(&["identity", "phase", "credential", "lives", "in flight", "since", "next rotation", "remarks"]);
    for standing in &told.identities {
        let Standing { name, phase, current, second, next_rotation, grace_ends, .. } = standing;
        let since = current.as_ref().and_then(|held| held.since.clone()).unwrap_or_else(|| "–".to_owned());
        let [label, lives, in_flight] = credential(current.as_ref());
        let next =
            grace_ends.as_ref().map_or_else(|| moment(next_rotation.as_ref()), |at| format!("grace ends {}", moment(Some(at))));
        table.add_row([name.clone(), phase.clone(), label, lives, in_flight, since, next, remarks(standing).join("\n")]);
        if second.is_some() {
            let [label, lives, in_flight] = credential(second.as_ref());
            let nothing = String::new;
            table.add_row([nothing(), nothing(), label, lives, in_flight, nothing(), nothing(), nothing()]);
        }
    }
    table.to_string()
}

/// What is not as it should be, and what to do.
pub(super) fn remarks(standing: &Standing) -> Vec<String> {
    let mut told = Vec::new();
    let Standing { name, current, second, debt, .. } = standing;
    if let Some(why) = &standing.needs_operator {
        let generation = current.as_ref().or(second.as_ref()).map_or("none", |held| &held.generation);
        told.push(format!(
            "AN OPERATOR IS NEEDED: {why}; then turquoise resolve {name} --keep {generation} or --forget {generation}"
        ));
    }
    if standing.stalled {
        told.push("the journal failed: repair its disk, then restart".to_owned());
    }
    if !standing.alive {
        told.push("it has stopped: start it again".to_owned());
    } else if let Some(why) = &standing.not_serving {
        told.push(format!("serves nothing: {why}"));
    }
    if let Some(until) = &standing.paused {
        told.push(format!("paused, goes on {}: turquoise resume {name}", moment(Some(until))));
    }
    if let Some(Owed { generation, dead_by, .. }) = debt {
        told.push(format!("debt: {generation}, dead by itself {}", moment(dead_by.as_ref())));
    }
    if let Some(reason) = &standing.reason {
        told.push(format!("last trouble: {}", plain(reason)));
    }
    told
}

pub(super) fn plans(told: &Plans) -> String {
    let header = ["identity", "provider", "rotates", "next rotation", "life", "takes at most", "survives an outage of"];
    let mut table = table(&header);
    for planned in &told.identities {
        let survives = match planned.survives_any_time {
            Some(any) => format!("{} from now on,\n{} at any time", span(planned.survives_now), span(any)),
            None => format!("{}: it is renewed no further", span(planned.survives_now)),
        };
        table.add_row([
            planned.name.clone(),
            planned.provider.clone(),
            due(planned),
            moment(planned.next_rotation.as_ref()),
            span(planned.life),
            longest(planned),
            survives,
        ]);
    }
    table.to_string()
}

/// How often it rotates, or when.
fn due(Planned { every, schedule, .. }: &Planned) -> String {
    match (schedule, every) {
        (Some(Scheduled { calendar, window }), _) => format!("{calendar} (UTC),\nwithin {}", span(*window)),
        (None, Some(every)) => span(*every),
        (None, None) => "when asked".to_owned(),
    }
}

fn longest(Planned { longest_rotation, validate_for, grace, .. }: &Planned) -> String {
    format!("{}:\nvalidation {},\ngrace {}", span(*longest_rotation), span(*validate_for), span(*grace))
}

pub(super) fn dry_run(told: &Plans) -> String {
    let lines = told.identities.iter().map(|planned| {
        let Planned { name, validate_for, grace, longest_rotation, refused, .. } = planned;
        match refused {
            Some(why) => format!("{name}: it would be refused: {why}"),
            None => format!(
                "{name}: it would begin; a new credential is validated for at most {}, the old one has a grace of {}, and all is over \
                 after {} at the latest",
                span(*validate_for),
                span(*grace),
                span(*longest_rotation)
            ),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn debts(owed: &[Owing<'_>]) -> String {
    if owed.is_empty() {
        return "there is no debt".to_owned();
    }
    let mut table = table(&["identity", "credential", "dead by itself", "last trouble"]);
    for Owing { identity, debt: Owed { generation, slot, dead_by }, reason } in owed {
        let reason = reason.as_deref().map_or_else(|| "–".to_owned(), plain);
        table.add_row([(*identity).to_owned(), format!("{slot} {generation}"), moment(dead_by.as_ref()), reason]);
    }
    table.to_string()
}

pub(super) fn replaced(Replaced { file, old_until }: &Replaced) -> String {
    match old_until.in_seconds {
        0.0 => format!("a new local token is in {file}; the old one is refused"),
        left => format!("a new local token is in {file}; the old one is taken for {} more", span(left)),
    }
}

pub(super) fn step(happened: &Happened) -> String {
    let Happened { at, identity, phase, slot, generation, words, reason, .. } = happened;
    let slot = slot.as_deref().unwrap_or_default();
    let style = if slot.is_empty() { Style::new() } else { color(slot) };
    let label = generation.as_ref().map(|generation| format!("{slot} {generation}")).unwrap_or_default();
    let reason = reason.as_ref().map(|reason| format!(" ({})", plain(reason))).unwrap_or_default();
    format!("{at}  {identity}  {style}{label:<18}{style:#}  {phase:<13}  {words}{reason}")
}
