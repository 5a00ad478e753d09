//! The live view: both colours of each identity, with what holds them and what comes next.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, SystemTime};

use anstyle::Style;
use humantime::format_rfc3339_seconds;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::client::{Client, Trouble};
use super::screen::{Line, Screen, quits};
use super::show::{BAD, color, moment, plain, remarks};
use super::{line, round};
use crate::admin::shape::{Held, Since, Standing, Standings};

/// How often it is drawn anew.
const PACE: Duration = Duration::from_millis(250);
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Shows it until it is ended; a line for each step, where there is no terminal or a program listens.
pub(super) async fn watch(client: &Client, only: Option<&str>, is_json: bool) -> Result<(), Trouble> {
    let is_live = !is_json && io::stdin().is_terminal() && io::stdout().is_terminal();
    if is_live { live(client, only).await } else { tell(client, only, is_json).await }
}

/// A line for each step, until nobody is there any more.
async fn tell(client: &Client, only: Option<&str>, is_json: bool) -> Result<(), Trouble> {
    let Standings { identities } = client.get("/v1/identities").await?;
    let Since { after, .. } = client.get("/v1/events").await?;
    if is_json {
        return follow(client, only, after, true).await;
    }
    for Standing { name, phase, current, .. } in
        identities.iter().filter(|standing| only.is_none_or(|only| standing.name == only))
    {
        let current = current.as_ref().map_or_else(|| "nothing".to_owned(), |held| format!("{} {}", held.slot, held.generation));
        line(format_args!("{}  {name}  {phase}: {current} serves", format_rfc3339_seconds(SystemTime::now())))?;
    }
    follow(client, only, after, false).await
}

async fn follow(client: &Client, only: Option<&str>, mut after: u64, is_json: bool) -> Result<(), Trouble> {
    loop {
        let events = client.events(after, only).await?;
        after = events.after;
        for happened in &events.events {
            round::tell(happened, is_json)?;
        }
    }
}

async fn live(client: &Client, only: Option<&str>) -> Result<(), Trouble> {
    let failed = |cause| Trouble::Local { at: "the terminal".into(), cause };
    let mut signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let [Ok(terminate), Ok(interrupt), Ok(hangup)] = &mut signals else {
        return Err(failed(io::Error::other("it cannot be told of signals")));
    };
    let screen = Screen::take().map_err(failed)?;
    let (mut quit, mut pace) = (quits(), interval(PACE));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Standings { identities: Vec::new() };
    loop {
        tokio::select! {
            _ = quit.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
            _ = pace.tick() => {}
        }
        // What it says may take a moment; a key ends it all the same.
        let told = tokio::select! {
            told = client.get::<Standings>("/v1/identities") => told,
            _ = quit.recv() => return Ok(()),
        };
        let trouble = match told {
            Ok(told) => {
                last = told;
                None
            }
            Err(why) => Some(why.to_string()),
        };
        screen.show(&view(client, &last, only, trouble.as_deref())).map_err(failed)?;
    }
}

/// The whole screen.
fn view(client: &Client, told: &Standings, only: Option<&str>, trouble: Option<&str>) -> Vec<Line> {
    let now = format_rfc3339_seconds(SystemTime::now());
    let mut lines =
        vec![vec![(BOLD, "turquoise".to_owned()), (DIM, format!("  {}  {now}  q ends this", client.socket().display()))]];
    if let Some(trouble) = trouble {
        lines.push(vec![(BAD, format!("{trouble}; what was last known:"))]);
    }
    for standing in told.identities.iter().filter(|standing| only.is_none_or(|only| standing.name == only)) {
        lines.push(Vec::new());
        lines.extend(identity(standing));
    }
    lines
}

fn identity(standing: &Standing) -> Vec<Line> {
    let Standing { name, phase, current, second, next_rotation, grace_ends, .. } = standing;
    let next = match (grace_ends, next_rotation) {
        (Some(at), _) => format!("grace ends {}", moment(Some(at))),
        (None, Some(at)) => format!("next rotation {}", moment(Some(at))),
        (None, None) => String::new(),
    };
    let mut lines = vec![vec![(BOLD, format!("{name:<20} ")), (Style::new(), format!("{phase:<14} {next}"))]];
    for slot in ["blue", "green"] {
        let held = [current, second].into_iter().flatten().find(|held| held.slot == slot);
        lines.push(credential(slot, held));
    }
    let rotations = standing.rotations;
    let since = standing.last_success.as_ref().map(|at| format!(", the last at {at}")).unwrap_or_default();
    lines.push(vec![(DIM, format!("  rotations: {} done, {} abandoned{since}", rotations.succeeded, rotations.abandoned))]);
    lines.extend(remarks(standing).into_iter().map(|remark| vec![(BAD, format!("  {}", plain(&remark)))]));
    lines
}

fn credential(slot: &str, held: Option<&Held>) -> Line {
    match held {
        None => vec![(DIM, format!("  ○ {slot:<5} –"))],
        Some(Held { generation, role, in_flight, expires, .. }) => {
            let lives = moment(expires.as_ref());
            let facts = format!("  {role:<9}  in flight {in_flight:<6} ends {lives}");
            vec![(color(slot), format!("  ● {slot:<5} {generation}")), (Style::new(), facts)]
        }
    }
}
