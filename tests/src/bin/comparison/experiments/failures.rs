//! What clients notice when something goes wrong.

use std::thread;
use std::time::Duration;

use serde_json::json;
use turquoise_tests::comparison::{Row, Target, Unit, Values};

use super::{Experiment, When};
use crate::load::{Load, Pace, Tally, Token, Work};
use crate::scene::{Life, Role, Scene, write};
use crate::sidecar::{Form, Seat, Whose};
use crate::{Fault, interrupt};

/// So many requests a second each client makes.
const RATE: u32 = 50;
/// Who caches what is published reads it again so often, which is within the grace.
const AGAIN: Duration = Duration::from_secs(5);
/// Ours rotates about as often as the peer logs in anew, with lives that the role allows: shorter ones it would not take.
const ROTATION: &str = "  every = \"70s\"\n  life = \"70s\"\n  validate_for = \"2s\"\n  grace = \"8s\"";
/// The same where nothing is due.
const SELDOM: &str = "  every = \"12h\"\n  life = \"5m\"\n  validate_for = \"2s\"";

/// Clients of one sidecar.
struct Clients(Vec<(&'static str, Load)>);

impl Clients {
    /// One through the proxy, and of those who read the sink one that always does, one that caches, and one that read it once.
    fn start(scene: &Scene, seat: &Seat) -> Result<Self, Fault> {
        let server = scene.address().parse()?;
        let once = seat.token().ok_or("no token is published")?;
        let kinds = [
            (THROUGH, seat.at, Token::None),
            (EACH, server, Token::Each(seat.sink())),
            (CACHED, server, Token::Every(seat.sink(), AGAIN)),
            (ONCE, server, Token::Fixed(once)),
        ];
        let start = |(kind, at, token)| {
            let work = Work { at, token, connections: 2, pace: Pace::PerSecond(RATE) };
            Ok((kind, Load::start(work)?))
        };
        kinds.into_iter().map(start).collect::<Result<_, Fault>>().map(Self)
    }

    fn stop(self) -> Result<Vec<(&'static str, Tally)>, Fault> {
        self.0.into_iter().map(|(kind, load)| Ok((kind, load.stop()?))).collect()
    }
}

const THROUGH: &str = "through the proxy";
const EACH: &str = "with the sink read for each request";
const CACHED: &str = "with the sink read again every 5 s";
const ONCE: &str = "with the sink read once";

type Told = Vec<(&'static str, Tally)>;

/// Does the same with the one and with the other at once, each with a role of its own, and tells what failed of each kind.
fn both(
    scene: &Scene,
    name: &str,
    life: Life,
    act: impl Fn(&Scene, &Role<'_>, Whose) -> Result<Told, Fault> + Sync,
    target: impl Fn(&str) -> Option<Target>,
) -> Result<Vec<Row>, Fault> {
    let role = name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    let one = |whose| act(scene, &scene.role(&format!("{role}-{whose:?}").to_lowercase(), life)?, whose);
    let [peer, ours] = thread::scope(|scope| {
        let running = Whose::BOTH.map(|whose| scope.spawn(move || one(whose)));
        running.map(|thread| thread.join().map_err(|_| Fault::from("it panicked")))
    });
    let (peer, ours) = (peer??, ours??);
    let rows = peer.into_iter().zip(ours).filter_map(|((kind, peer), (_, ours))| {
        let failed = |tally: &Tally| Values::from_iter([tally.failed()]);
        let of = ours.took.len() + usize::try_from(ours.failed).unwrap_or_default();
        if let Some(words) = &ours.words {
            crate::say(&format!("{name}, {kind}: {words}"));
        }
        Some(Row {
            what: format!("{name}: requests failed of {of}, {kind}"),
            unit: Unit::Count,
            peer: failed(&peer),
            ours: failed(&ours),
            target: target(kind)?,
        })
    });
    Ok(rows.collect())
}

/// All but who reads once, of which it is told.
fn none_but_once(kind: &str) -> Target {
    if kind == ONCE { Target::Told } else { Target::Zero }
}

fn through_only(kind: &str) -> Option<Target> {
    match kind {
        THROUGH => Some(Target::Zero),
        EACH => Some(Target::Told),
        _ => None,
    }
}

pub(crate) const READERS: Experiment = Experiment {
    name: "readers",
    method: "Nothing goes wrong: tokens live for 30 s, and for 120 s with all renewals; turquoise rotates every 70 s, with a `life` of 70 s and a grace of 8 s.",
    when: When::Together,
    run: |scene| {
        let act = |scene: &Scene, role: &Role<'_>, whose| {
            let seat = Seat::new(scene, role, whose, Form::Proxy, ROTATION)?;
            let _sidecar = seat.up()?;
            let clients = Clients::start(scene, &seat)?;
            interrupt::sleep(scene.seconds(20, 160))?;
            clients.stop()
        };
        both(scene, "in calm", Life::SHORT, act, |kind| Some(none_but_once(kind)))
    },
};

pub(crate) const BAD: Experiment = Experiment {
    name: "bad",
    method: "The role gives tokens that may do nothing, until 3 s after the peer has taken one, or 78 s after the start with turquoise, \
             which tries at 70 s; then the role is mended. Tokens live for 30 s, and for 120 s with all renewals.",
    when: When::Together,
    run: |scene| {
        let act = |scene: &Scene, role: &Role<'_>, whose| {
            let seat = Seat::new(scene, role, whose, Form::Proxy, ROTATION)?;
            let _sidecar = seat.up()?;
            let clients = Clients::start(scene, &seat)?;
            interrupt::sleep(Duration::from_secs(3))?;
            role.give("nothing")?;
            let first = seat.token();
            match whose {
                Whose::Peer => {
                    interrupt::until("the peer logs in anew", Duration::from_secs(130), || seat.token() != first)?;
                    interrupt::sleep(Duration::from_secs(3))?;
                }
                Whose::Ours => interrupt::sleep(Duration::from_secs(75))?,
            }
            role.give("app")?;
            interrupt::sleep(Duration::from_secs(40))?;
            clients.stop()
        };
        let target = |kind: &str| (kind != ONCE).then_some(Target::Zero);
        both(scene, "the next token is useless", Life::SHORT, act, target)
    },
};

pub(crate) const REVOKED: Experiment = Experiment {
    name: "revoked",
    method: "An administrator revokes the token that serves, 10 s after the start; 40 s later it is counted.",
    when: When::Together,
    run: |scene| {
        let act = |scene: &Scene, role: &Role<'_>, whose| {
            let seat = Seat::new(scene, role, whose, Form::Proxy, SELDOM)?;
            let _sidecar = seat.up()?;
            let clients = Clients::start(scene, &seat)?;
            interrupt::sleep(Duration::from_secs(10))?;
            let token = seat.token().ok_or("no token is published")?;
            scene.server.admin("POST", "auth/token/revoke", &json!({"token": token}))?;
            interrupt::sleep(Duration::from_secs(40))?;
            clients.stop()
        };
        both(scene, "the current token is revoked", Life { ttl: 60, most: 600 }, act, through_only)
    },
};

pub(crate) const RESTART: Experiment = Experiment {
    name: "restart",
    method: "The sidecar is stopped by SIGTERM and started again at once, three times. Turquoise has its socket from outside, as from a \
             systemd socket unit, which the peer cannot be given.",
    when: When::Together,
    run: |scene| {
        let act = |scene: &Scene, role: &Role<'_>, whose| {
            let form = if whose == Whose::Ours { Form::Handed } else { Form::Proxy };
            let seat = Seat::new(scene, role, whose, form, SELDOM)?;
            let mut sidecar = seat.up()?;
            let clients = Clients::start(scene, &seat)?;
            for _ in 0..3 {
                interrupt::sleep(Duration::from_secs(3))?;
                sidecar.stop()?;
                sidecar = seat.up()?;
            }
            interrupt::sleep(Duration::from_secs(3))?;
            clients.stop()
        };
        let target = |kind: &str| (kind == THROUGH).then_some(Target::Zero);
        both(scene, "three restarts", Life::LONG, act, target)
    },
};

pub(crate) const NEIGHBOUR: Experiment = Experiment {
    name: "neighbour",
    method: "A second sidecar of the same kind has a wrong secret id for the same role, and tries to log in. Five quick failures lock the \
             role for everybody; tokens live for 30 s, and for 120 s with all renewals.",
    when: When::Together,
    run: |scene| {
        let act = |scene: &Scene, role: &Role<'_>, whose| {
            let seat = Seat::new(scene, role, whose, Form::Proxy, ROTATION)?;
            let _sidecar = seat.up()?;
            let clients = Clients::start(scene, &seat)?;
            // The healthy one has its secret id in memory or reads it again: it stays in its own file.
            let secret_id = std::fs::read_to_string(role.path("secret-id"))?;
            let wrong = scene.path(&format!("{}.role", role.name)).join("wrong-secret-id");
            write(&wrong, &format!("00000000{}", &secret_id[8..]))?;
            let neighbour = Seat::beside(scene, role, whose, &wrong)?;
            let _neighbour = neighbour.start()?;
            interrupt::sleep(scene.seconds(20, 160))?;
            clients.stop()
        };
        both(scene, "a neighbour's wrong secret id", Life::SHORT, act, through_only)
    },
};
