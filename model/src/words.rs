//! The words for all that can happen in a world: one table, by which scenarios are written and read.

use turquoise_core::{AtStop, Color, Resolution};

use crate::story::name;
use crate::world::{Action, Clock, Demand, Event, World};

/// How an event is put: words, what it is about, words.
struct Phrase(&'static str, About, &'static str);

/// What an event is about.
#[derive(Clone, Copy)]
enum About {
    /// Nothing in particular.
    Nothing(Event),
    /// A request that somebody waits for.
    Awaited(fn(u8) -> Event),
    /// A request that nobody waits for any more.
    Forsaken(fn(u8) -> Event),
    /// A credential that lives.
    Living(fn(u8) -> Event),
}

use About::{Awaited, Forsaken, Living, Nothing};

const fn operator(words: &'static str, demand: Demand) -> Phrase {
    Phrase(words, Nothing(Event::Operator(demand)), "")
}

const fn restart(words: &'static str, kept: bool, rebooted: Option<Clock>) -> Phrase {
    Phrase(words, Nothing(Event::Restart { kept, rebooted }), "")
}

/// A line for each event.
const PHRASES: [Phrase; 50] = [
    Phrase("tick", Nothing(Event::Tick), ""),
    Phrase("timer", Nothing(Event::Timer), ""),
    Phrase("journal acknowledges", Nothing(Event::Synced), ""),
    Phrase("journal fails", Nothing(Event::SyncFails), ""),
    Phrase("answer ", Awaited(Event::Answer), ""),
    Phrase("twice: ", Awaited(Event::AnswerTwice), ""),
    Phrase("refuse ", Awaited(Event::Reject), ""),
    Phrase("too few rights for ", Awaited(Event::AnswerUseless), ""),
    Phrase("a lagging node answers ", Awaited(Event::AnswerNoop), ""),
    Phrase("lose the reply to ", Awaited(Event::Swallow), ""),
    Phrase("give up ", Awaited(Event::GiveUp), ""),
    Phrase("too late: ", Forsaken(Event::ApplyLate), ""),
    Phrase("others revoke ", Living(Event::RevokedByOthers), ""),
    Phrase("somebody tampers with the blue slot", Nothing(Event::Tamper(Color::Blue)), ""),
    Phrase("somebody tampers with the green slot", Nothing(Event::Tamper(Color::Green)), ""),
    Phrase("reader reads", Nothing(Event::Read), ""),
    Phrase("work takes the credential", Nothing(Event::Work), ""),
    Phrase("the work is done", Nothing(Event::Done), ""),
    Phrase("no work holds it any more", Nothing(Event::Idle), ""),
    Phrase("crash", Nothing(Event::Die), ""),
    Phrase("the process is ended", Nothing(Event::Restarted), ""),
    restart("restart", false, None),
    restart("restart, and it was written", true, None),
    restart("reboot to a clock far ahead", false, Some(Clock::Ahead)),
    restart("reboot to a clock far ahead, and it was written", true, Some(Clock::Ahead)),
    restart("reboot to a clock far behind", false, Some(Clock::Behind)),
    restart("reboot to a clock far behind, and it was written", true, Some(Clock::Behind)),
    Phrase("the blue slot loses its secret", Nothing(Event::Lose(Color::Blue)), ""),
    Phrase("the green slot loses its secret", Nothing(Event::Lose(Color::Green)), ""),
    Phrase("work is given the candidate", Nothing(Event::Try), ""),
    Phrase("the work is served", Nothing(Event::Served), ""),
    Phrase("the work is refused", Nothing(Event::Refused), ""),
    Phrase("everything sleeps", Nothing(Event::Gap), ""),
    Phrase("the provider refuses every secret", Nothing(Event::Disable), ""),
    Phrase("the provider is mended", Nothing(Event::Enable), ""),
    Phrase("no more life for ", Living(Event::Cap), ""),
    Phrase("the coordinator renews the lease", Nothing(Event::Mandate), ""),
    Phrase("another process takes over", Nothing(Event::Depose), ""),
    Phrase("the deposed process wakes up", Nothing(Event::RivalWakes), ""),
    Phrase("answer and repeat ", Awaited(Event::AnswerAndRepeat), ""),
    operator("operator: rotate", Demand::Begin),
    operator("operator: abort", Demand::Abort),
    operator("operator: roll back", Demand::Rollback),
    Phrase("operator: ", Living(|i| Event::Operator(Demand::Compromise(i))), " is compromised"),
    operator("operator: keep", Demand::Resolve(Resolution::Keep)),
    operator("operator: forget", Demand::Resolve(Resolution::Forget)),
    operator("operator: break the glass", Demand::BreakGlass),
    operator("operator: try again", Demand::Retry),
    operator("operator: stop and keep", Demand::Shutdown(AtStop::Keep)),
    operator("operator: stop and revoke", Demand::Shutdown(AtStop::Revoke)),
];

/// The command that a scenario has for this; none if the table has no words for it, or it is about nothing that there is.
#[must_use]
pub fn say(world: &World, action: Action) -> Option<String> {
    let said = PHRASES.iter().find_map(|Phrase(before, about, after)| {
        let (subject, _) = about.subjects(world).into_iter().find(|(_, event)| *event == action.event)?;
        Some(format!("{before}{subject}{after}"))
    })?;
    Some(match action.dies_after {
        None => said,
        Some(0) => format!("{said}{AT_ONCE}"),
        Some(n) => format!("{said}{AFTER}{n}{OF_WHAT}"),
    })
}

/// What a command of a scenario asks for here; none if it makes no sense, or is about nothing that there is.
#[must_use]
pub fn hear(world: &World, command: &str) -> Option<Action> {
    let (said, dies_after) = death(command);
    let event = PHRASES.iter().find_map(|Phrase(before, about, after)| {
        let words = said.strip_prefix(before)?.strip_suffix(after)?;
        about.find(world, words)
    })?;
    Some(Action { event, dies_after })
}

const AT_ONCE: &str = "; crash at once";
const AFTER: &str = "; crash after ";
const OF_WHAT: &str = " of what follows";

/// A command without the death at its end, and how much the process then still does.
fn death(command: &str) -> (&str, Option<u8>) {
    if let Some(said) = command.strip_suffix(AT_ONCE) {
        return (said, Some(0));
    }
    let after = command.rsplit_once(AFTER).and_then(|(said, rest)| Some((said, rest.strip_suffix(OF_WHAT)?.parse().ok()?)));
    after.map_or((command, None), |(said, n)| (said, Some(n)))
}

impl About {
    /// All that an event could be about in this world, and the event then; no two of the same name.
    fn subjects(self, world: &World) -> Vec<(String, Event)> {
        let requests = |make: fn(u8) -> Event, awaited: bool| {
            let all = (0..).zip(&world.flight).filter(move |(_, request)| request.op.is_some() == awaited);
            numbered(all.map(|(i, request)| (name(&request.effect), make(i))))
        };
        match self {
            Nothing(event) => vec![(String::new(), event)],
            Awaited(make) => requests(make, true),
            Forsaken(make) => requests(make, false),
            Living(make) => {
                let all = (0..).zip(&world.live);
                all.map(|(i, credential)| (format!("g{}", credential.generation.number), make(i))).collect()
            }
        }
    }

    /// The one of exactly this name; or else, for people, the first request whose name begins so.
    fn find(self, world: &World, words: &str) -> Option<Event> {
        let subjects = self.subjects(world);
        let begins = |subject: &str| !words.is_empty() && subject.starts_with(words) && !matches!(self, Living(_));
        let exact = subjects.iter().find(|(subject, _)| subject == words);
        exact.or_else(|| subjects.iter().find(|(subject, _)| begins(subject))).map(|(_, event)| *event)
    }
}

/// Tells those of the same name apart: the second is `X #2`.
fn numbered(all: impl Iterator<Item = (String, Event)>) -> Vec<(String, Event)> {
    let mut seen: Vec<String> = Vec::new();
    all.map(|(name, event)| {
        let before = seen.iter().filter(|other| **other == name).count();
        seen.push(name.clone());
        (if before == 0 { name } else { format!("{name} #{}", before + 1) }, event)
    })
    .collect()
}
