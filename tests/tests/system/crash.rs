//! Every place at which a process can die, and what comes of it.

use std::time::SystemTime;

use turquoise_audit::Log;
use turquoise_tests::{Command, Kind, Place, Point, Side, Told};

use crate::agent::{Agent, How};
use crate::all;
use crate::audit;
use crate::consumer::Consumer;
use crate::site::{Journalled, Rights, Site, server};

/// What the first process of an identity does, if it is let.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// Logs in, and rotates well.
    Good,
    /// Logs in, and rotates to a candidate that cannot do its work.
    Useless,
}

impl Story {
    const BOTH: [Self; 2] = [Self::Good, Self::Useless];

    /// Those of a kind: one secret id of a role can do what every other one can.
    const fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Token | Kind::Login => &Self::BOTH,
            Kind::SecretId => &[Self::Good],
        }
    }

    /// Has an agent that has logged in rotate.
    fn begin(self, site: &Site, agent: &mut Agent) {
        if self == Self::Useless {
            site.mint_with(server(), Rights::Useless);
        }
        agent.order(Command::Rotate);
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Useless => "useless",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Good => "a login and a good rotation",
            Self::Useless => "a rotation to a candidate that cannot do its work",
        }
    }
}

/// What a process does, in order, by name.
pub(crate) struct Course {
    kind: Kind,
    story: Story,
    pub(crate) records: Vec<(u64, String)>,
    pub(crate) calls: Vec<(u64, String)>,
}

impl Course {
    /// What a process does that nobody kills.
    pub(crate) fn of(kind: Kind, story: Story, role: &str) -> Self {
        let (mut records, mut calls) = (Vec::new(), Vec::new());
        let site = Site::of(kind, server(), role);
        let mut agent = Agent::start(&site, How::default());
        loop {
            match agent.hear().unwrap() {
                Told::Record { lsn, step, .. } => {
                    let last = step == "Cleared";
                    if step == "Ready" {
                        story.begin(&site, &mut agent);
                    }
                    records.push((lsn, step));
                    if last {
                        break;
                    }
                }
                Told::Call { number, call } => calls.push((number, call)),
                other => panic!("{other:?}"),
            }
        }
        agent.stop();
        let journalled = site.assert_quiet(server());
        assert_eq!(journalled.has("Promoted"), story == Story::Good);
        // How it logs in is the same in both.
        if story == Story::Useless {
            records.drain(..records.iter().position(|(_, step)| step == "IssueIntent").unwrap());
            calls.drain(..calls.iter().rposition(|(_, call)| call == "issue" || call == "login").unwrap());
        }
        Self { kind, story, records, calls }
    }

    /// Before and after each record.
    pub(crate) fn at_records(&self) -> Vec<Death> {
        self.deaths(&self.records, Place::Record)
    }

    /// Before and after each call.
    pub(crate) fn at_calls(&self) -> Vec<Death> {
        self.deaths(&self.calls, Place::Call)
    }

    fn deaths(&self, places: &[(u64, String)], place: fn(u64) -> Place) -> Vec<Death> {
        let sides = |(number, name): &(u64, String)| {
            Side::BOTH.map(|side| Death {
                kind: self.kind,
                story: self.story,
                when: When::Held(Point { side, place: place(*number) }),
                name: format!("{side} {name}"),
            })
        };
        places.iter().flat_map(sides).collect()
    }

    /// As soon as we hear of each record: somewhere in what follows from it.
    pub(crate) fn on_hearing(&self) -> Vec<Death> {
        let (kind, story) = (self.kind, self.story);
        let death = |(lsn, name): &(u64, String)| Death { kind, story, when: When::Heard(*lsn), name: format!("on {name}") };
        self.records.iter().map(death).collect()
    }
}

/// When a process dies.
#[derive(Clone, Copy, Debug)]
enum When {
    /// While it is held at a point.
    Held(Point),
    /// When we hear of a record.
    Heard(u64),
}

/// A death of the first process.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    kind: Kind,
    story: Story,
    when: When,
    name: String,
}

impl Death {
    /// In a good rotation, and what it is hoped to be.
    pub(crate) fn at(kind: Kind, point: Point, name: &str) -> Self {
        Self { kind, story: Story::Good, when: When::Held(point), name: name.to_owned() }
    }
}

/// What came of it.
pub(crate) struct Row {
    death: Death,
    /// Where the recovery died.
    again: Point,
    /// The last durable step.
    pub(crate) last: String,
    /// The phase in which the first recovery stood.
    found: String,
    pub(crate) minted: usize,
    pub(crate) outcome: &'static str,
    /// All that was recorded, for the judge.
    journalled: Journalled,
    quiet_at: SystemTime,
}

/// The recovery dies as well. Where, depends on the number of the death.
const AGAIN: [Point; 4] = [
    Point { side: Side::After, place: Place::Record(1) },
    Point { side: Side::Before, place: Place::Call(1) },
    Point { side: Side::Before, place: Place::Record(1) },
    Point { side: Side::After, place: Place::Call(1) },
];

/// Has identities die in all these ways, several at once, and judges each. `name` tells their roles apart.
pub(crate) fn all(name: &str, deaths: &[Death]) -> Vec<Row> {
    let rows = all::at_once(deaths, |number, death| die(death, &format!("{name}-{number}"), AGAIN[number % AGAIN.len()]));
    judge(name, rows)
}

/// The first process dies, then the second; the third and the fourth are left alone.
fn die(death: &Death, role: &str, again: Point) -> Row {
    let site = Site::of(death.kind, server(), role);
    let consumer = Consumer::start(&site);
    let hold = match death.when {
        When::Held(point) => Some(point),
        When::Heard(_) => None,
    };
    let mut agent = Agent::start(&site, How { hold, ..How::default() });
    loop {
        match agent.hear().unwrap() {
            Told::Held => break,
            Told::Record { lsn, step, .. } => {
                if matches!(death.when, When::Heard(last) if last == lsn) {
                    break;
                }
                if step == "Ready" {
                    death.story.begin(&site, &mut agent);
                }
                assert_ne!(step, "Cleared", "it was never held");
            }
            Told::Call { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    agent.kill();
    let at_death = site.journalled();
    let served_at_death = consumer.look();
    assert!(served_at_death || !at_death.has("Ready"), "nothing is published");

    let mut agent = Agent::start(&site, How { hold: Some(again), ..How::default() });
    agent.until_held();
    agent.kill();
    assert!(consumer.look() || !served_at_death, "nothing is published any more");

    let mut agent = Agent::start(&site, How::default());
    agent.until_steady();
    let said = agent.stop();
    assert!(!said.iter().any(|line| line.contains("\"event\"")), "{said:?}");

    let journalled = site.assert_quiet(server());
    // What is quiet is also fit: it rotates as if nothing had been.
    site.mint_with(server(), Rights::Good);
    let mut agent = Agent::start(&site, How::default());
    agent.until_steady();
    agent.rotate();
    agent.stop();
    let (quiet_at, rotated) = (SystemTime::now(), site.assert_quiet(server()));
    assert_eq!(rotated.count("Promoted"), journalled.count("Promoted") + 1);
    let experience = consumer.stop();
    assert!(experience.served > 0 && experience.unserved.is_empty(), "{experience:?}");
    let outcome = outcome(&at_death, &journalled);
    let recovering = journalled.up_to(at_death.0.len() + 1);
    let found = if at_death.0.is_empty() { "(a new journal)".to_owned() } else { recovering.phase(&death.kind.policy()) };
    Row { death: death.clone(), again, last: at_death.last(), found, minted: 0, outcome, journalled: rotated, quiet_at }
}

/// Once a promotion is durable what was promoted serves; before it, the candidate never does (S5).
fn outcome(at_death: &Journalled, in_the_end: &Journalled) -> &'static str {
    assert_eq!(at_death.has("Promoted"), in_the_end.has("Promoted"), "what was decided is what came");
    assert_eq!(at_death.count("IssueIntent"), in_the_end.count("IssueIntent"), "nothing is minted that nobody asked for");
    if in_the_end.has("Promoted") {
        "rotated: the candidate serves"
    } else if in_the_end.has("IssueIntent") {
        "abandoned: the old one serves"
    } else if in_the_end.count("LoginIntent") > 1 {
        "logged in anew"
    } else {
        "logged in"
    }
}

/// What the server says of the tokens, by its own log.
fn judge(name: &str, rows: Vec<Row>) -> Vec<Row> {
    let log = Log::of(&server().audit_log()).unwrap();
    let judged = |(number, row): (usize, Row)| {
        let judgement = audit::judge_at(row.quiet_at, &log, &format!("{name}-{number}"), &row.journalled);
        // Less the one of the last rotation.
        Row { minted: judgement.credentials.len() - 1, ..row }
    };
    rows.into_iter().enumerate().map(judged).collect()
}

/// The table, for people.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!("{} points.\n", rows.len());
    for story in Story::BOTH.into_iter().filter(|story| rows.iter().any(|row| row.death.story == *story)) {
        text += "\nKilled in ";
        text += story.title();
        text += ":\n\n| killed | last durable record | recovery stands in | killed again | minted | in the end |\n";
        text += "| --- | --- | --- | --- | --- | --- |\n";
        for row in rows.iter().filter(|row| row.death.story == story) {
            let Row { death, again, last, found, minted, outcome, .. } = row;
            let row = format!("| {} | {last} | {found} | {again} | {minted} | {outcome} |\n", death.name);
            text.push_str(&row);
        }
    }
    text
}

/// The courses of all stories of a kind, and roles for them that no other test has.
pub(crate) fn courses(kind: Kind, name: &str) -> Vec<Course> {
    Story::of(kind).iter().map(|story| Course::of(kind, *story, &format!("{name}-{}", story.name()))).collect()
}
