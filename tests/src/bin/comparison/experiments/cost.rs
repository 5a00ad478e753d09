//! What a sidecar costs: processor time, time, memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use turquoise_tests::comparison::{Memory, Row, Spent, Target, Unit, Values};

use super::{Experiment, When};
use crate::load::{Load, Pace, Tally, Token, Work, count};
use crate::scene::{Life, Scene};
use crate::sidecar::{Form, Seat, Sidecar, Whose};
use crate::{Fault, interrupt};

const ROTATION: &str = "  every = \"12h\"";

/// Figures of the one and of the other.
#[derive(Default)]
struct Pair([Values; 2]);

impl Pair {
    fn add(&mut self, whose: Whose, value: f64) {
        self.0[whose as usize].add(value);
    }

    fn row(self, what: impl Into<String>, unit: Unit, target: Target) -> Row {
        let [peer, ours] = self.0;
        Row { what: what.into(), unit, peer, ours, target }
    }
}

pub(crate) const SPEED: Experiment = Experiment {
    name: "speed",
    method: "Clients read a small secret over kept connections, each as fast as it is answered, or 300 times a second in all; straight to \
             the server, through `bao proxy`, and through turquoise, in turns. Client, proxy and server share the processors. A proxy's \
             processor time is what the kernel says of all of its threads.",
    when: When::Alone,
    run: speed,
};

fn speed(scene: &Scene) -> Result<Vec<Row>, Fault> {
    let role = scene.role("speed", Life::LONG)?;
    let seats = [
        Seat::new(scene, &role, Whose::Peer, Form::Proxy, ROTATION)?,
        Seat::new(scene, &role, Whose::Ours, Form::Proxy, ROTATION)?,
    ];
    let sidecars = [seats[0].up()?, seats[1].up()?];
    let server: SocketAddr = scene.address().parse()?;
    let token = scene.work_token()?;
    let mut rows = Vec::new();
    for connections in [1, 8, 64] {
        let (mut rate, mut cost, mut straight) = (Pair::default(), Pair::default(), Values::default());
        for _ in 0..scene.times(1, 3) {
            let work = Work { at: server, token: Token::Fixed(token.clone()), connections, pace: Pace::FlatOut };
            straight.add(sound(Load::of(work, scene.seconds(1, 4))?)?.rate());
            for whose in Whose::BOTH {
                let (tally, micros) = through(scene, &seats[whose as usize], &sidecars[whose as usize], connections)?;
                rate.add(whose, tally.rate());
                cost.add(whose, micros);
            }
        }
        let told = straight.median().unwrap_or(f64::NAN);
        let target = if connections == 8 { Target::Times(1.3) } else { Target::Told };
        let what = format!("requests with {connections} connections (straight to the server: {told:.0}/s)");
        rows.push(rate.row(what, Unit::PerSecond, target));
        let target = if connections == 8 { Target::Share(4) } else { Target::Told };
        rows.push(cost.row(format!("processor time of a request with {connections} connections"), Unit::Micros, target));
    }
    let (mut half, mut slow) = (Pair::default(), Pair::default());
    for _ in 0..scene.times(1, 5) {
        for whose in Whose::BOTH {
            let work = Work { at: seats[whose as usize].at, token: Token::None, connections: 8, pace: Pace::PerSecond(300) };
            let tally = sound(Load::of(work, scene.seconds(1, 5))?)?;
            half.add(whose, tally.millis(500));
            slow.add(whose, tally.millis(990));
        }
    }
    rows.push(half.row("half of 300 requests a second take at most", Unit::Millis, Target::Told));
    rows.push(slow.row("99 of 100 of them take at most", Unit::Millis, Target::NoWorse));
    Ok(rows)
}

/// Flat out, with the processor time that each request takes of the proxy, in microseconds.
fn through(scene: &Scene, seat: &Seat, sidecar: &Sidecar, connections: u32) -> Result<(Tally, f64), Fault> {
    let before = Spent::by(sidecar.pid())?;
    let work = Work { at: seat.at, token: Token::None, connections, pace: Pace::FlatOut };
    let tally = sound(Load::of(work, scene.seconds(1, 4))?)?;
    let spent = Spent::by(sidecar.pid())?.0.saturating_sub(before.0);
    let micros = spent.as_secs_f64() * 1e6 / count(tally.took.len());
    Ok((tally, micros))
}

/// What fails is not measured.
fn sound(tally: Tally) -> Result<Tally, Fault> {
    match &tally.words {
        Some(why) => Err(format!("{} requests failed: {why}", tally.failed).into()),
        None => Ok(tally),
    }
}

pub(crate) const MEMORY: Experiment = Experiment {
    name: "memory",
    method: "An agent with a sink and nothing else, some seconds after its token was published. Resident is all that is mapped and there, \
             private what is backed by no file: pages of a program are shared by all of its processes.",
    when: When::Alone,
    run: memory,
};

fn memory(scene: &Scene) -> Result<Vec<Row>, Fault> {
    let role = scene.role("memory", Life::LONG)?;
    let (mut resident, mut private) = (Pair::default(), Pair::default());
    for _ in 0..scene.times(1, 3) {
        for whose in Whose::BOTH {
            let seat = Seat::new(scene, &role, whose, Form::Agent, ROTATION)?;
            let sidecar = seat.up()?;
            interrupt::sleep(scene.seconds(1, 10))?;
            let Memory { resident: all, private: own } = Memory::of(sidecar.pid())?;
            resident.add(whose, megabytes(all));
            private.add(whose, megabytes(own));
            sidecar.stop()?;
        }
    }
    let rows = [
        resident.row("resident, idle", Unit::Megabytes, Target::Share(6)),
        private.row("private, idle", Unit::Megabytes, Target::Share(4)),
    ];
    Ok(rows.into())
}

fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1_000).unwrap_or(u32::MAX)) / 1e3
}

pub(crate) const START: Experiment = Experiment {
    name: "start",
    method: "With `-exit-after-auth`, in a folder that is new: from the start of the process to its end, when the first token is in the \
             sink. Turquoise has written its journal by then too.",
    when: When::Alone,
    run: start,
};

fn start(scene: &Scene) -> Result<Vec<Row>, Fault> {
    let role = scene.role("start", Life::LONG)?;
    let mut took = Pair::default();
    for _ in 0..scene.times(2, 15) {
        for whose in Whose::BOTH {
            let seat = Seat::new(scene, &role, whose, Form::Agent, ROTATION)?;
            let began = Instant::now();
            seat.start_with(&["-exit-after-auth"])?.ended()?;
            took.add(whose, millis(began.elapsed()));
            seat.token().ok_or("no token was published")?;
        }
    }
    Ok(vec![took.row("start to first token", Unit::Millis, Target::Share(4))])
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
