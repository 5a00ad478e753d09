//! An agent under load on a real server, or on three that keep one store, through several rotations. It dies by SIGKILL, and so
//! does the node that leads, which also hangs and steps down. In the end the journal and the server's own log are asked whether
//! all that must hold did: the exit code is 0 if so, 1 if not, 2 if there was no getting to the end.

mod child;
mod load;
mod seat;
mod verdict;

use std::alloc::System;
use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;
use turquoise_tests::{Command, Place, Point, Side, agent};
use zeroizing_alloc::ZeroAlloc;

use child::Child;
use load::Load;
use seat::{Blow, Seat};

/// As in our own program.
#[global_allocator]
static WIPING: ZeroAlloc<System> = ZeroAlloc(System);

/// Where the first process is held: it has logged in, and its first candidate is in its slot.
const FIRST_CANDIDATE: Point = Point { side: Side::After, place: Place::Record(6) };

/// What goes wrong on the way to a verdict.
type Fault = Box<dyn Error + Send + Sync>;

/// Has a credential rotated under load on a real `OpenBao` while processes die, and judges it by the server's own log.
#[derive(clap::Parser)]
struct Args {
    /// How many rotations
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(4..))]
    rotations: u32,
    /// How many servers: one, or three that keep one store, of which the leader is killed, stopped and made to step down
    #[arg(long, default_value = "1", value_parser = ["1", "3"])]
    nodes: String,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(clap::Subcommand)]
enum Role {
    /// One identity, as a process of its own
    #[command(hide = true)]
    Agent(agent::Args),
}

fn main() -> ExitCode {
    let Args { rotations, nodes, role } = Args::parse();
    if let Some(Role::Agent(args)) = role {
        return agent::main(args);
    }
    match Ordeal::prepare(nodes == "3").and_then(|ordeal| ordeal.run(rotations)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            drop(writeln!(io::stderr(), "ordeal: {fault}"));
            ExitCode::from(2)
        }
    }
}

/// Everything that takes part.
struct Ordeal {
    began: Instant,
    seat: Seat,
}

impl Ordeal {
    fn prepare(several: bool) -> Result<Self, Fault> {
        let began = Instant::now();
        say(began, if several { "starting three OpenBao servers that keep one store" } else { "starting an OpenBao server" })?;
        let seat = Seat::new(several)?;
        say(began, &format!("it serves at {}", seat.addresses().join(", ")))?;
        Ok(Self { began, seat })
    }

    fn say(&self, what: &str) -> Result<(), Fault> {
        say(self.began, what)
    }

    fn run(mut self, rotations: u32) -> Result<bool, Fault> {
        let child = Child::start(&self.seat, Some(FIRST_CANDIDATE))?;
        let mut child = self.adopted(child)?;
        let load = Load::start(&self.seat);
        let wanted = load.count().served + 100;
        load.until(wanted)?;
        self.say("reads flow, by threads that know nothing but the published file")?;
        child = self.die(child)?;
        let mut blows = Blow::ALL.into_iter().filter(|_| self.seat.is_cluster()).collect::<Vec<_>>().into_iter();
        for number in 1..=rotations {
            let blow = if number == 1 { None } else { blows.next() };
            self.rotate(&mut child, number, blow)?;
        }
        child.stop()?;
        let count = load.stop()?;
        verdict::judge(&self.seat, &count, rotations, self.began)
    }

    /// A candidate is abandoned where its validation took too long; then it is tried again.
    fn rotate(&mut self, child: &mut Child, number: u32, mut blow: Option<Blow>) -> Result<(), Fault> {
        loop {
            child.order(Command::Rotate)?;
            child.until("IssueIntent")?;
            if let Some(blow) = blow.take() {
                child.until(blow.step())?;
                let leader = self.seat.strike(blow)?;
                self.say(&format!("rotation {number}: {} {}", self.seat.addresses()[leader], blow.name()))?;
                child.until_steady()?;
                self.seat.heal(blow, leader)?;
            } else {
                child.until_steady()?;
            }
            if child.promoted() {
                return self.say(&format!("rotation {number} is over"));
            }
            self.say(&format!("rotation {number} was abandoned, the old one serves on: once more"))?;
        }
    }

    fn adopted(&self, mut child: Child) -> Result<Child, Fault> {
        child.until("Ready")?;
        self.say("the agent has adopted its first token and published it")?;
        Ok(child)
    }

    /// The agent is killed while it tries a candidate, and started again.
    fn die(&self, mut child: Child) -> Result<Child, Fault> {
        child.order(Command::Rotate)?;
        child.until_held()?;
        child.kill()?;
        self.say("SIGKILL: the agent is gone in the middle of a rotation, its candidate minted and not yet tried")?;
        let mut child = Child::start(&self.seat, None)?;
        child.until("Recovered")?;
        child.until_steady()?;
        self.say("it was started again, has ended what it had left behind, and serves on")?;
        Ok(child)
    }
}

fn say(began: Instant, what: &str) -> Result<(), Fault> {
    writeln!(io::stdout(), "{:6.1}s  {what}", began.elapsed().as_secs_f64())?;
    Ok(())
}
