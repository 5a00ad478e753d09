//! Stateright's Explorer on our world: its states and steps in a browser, in the words of our stories.

use std::borrow::Borrow;
use std::fmt::{self, Write as _};
use std::io;
use std::net::{SocketAddr, TcpListener};

use stateright::{Model, Property};

use crate::check::kept;
use crate::config::Config;
use crate::story::{describe, name, record};
use crate::world::{Action, Process, World};

/// Serves the Explorer of a configuration until the process ends. `ready` is called once the address is ours: it tells the
/// port if the one that was asked for is 0. Nobody is answered before it returns.
///
/// # Errors
///
/// The address cannot be listened on: another program does, or it is not this machine's.
pub fn serve(config: &Config, address: SocketAddr, ready: impl FnOnce(SocketAddr)) -> io::Result<()> {
    // Stateright panics if it cannot listen, so that is tried before; only for an instant the address is nobody's.
    let reserved = TcpListener::bind(address)?;
    let address = reserved.local_addr()?;
    ready(address);
    drop(reserved);
    Explorer(*config).checker().serve(address);
    Ok(())
}

/// Where the Explorer shows the end of this way: what follows `http://ADDR/`.
#[must_use]
pub fn place(config: &Config, way: &[Action]) -> String {
    let mut world = World::initial(config);
    let mut place = String::from("#/steps/0");
    for action in way {
        let Some((nth, next)) = steps(config, &world).zip(0..).find_map(|((a, next), n)| (a == *action).then_some((n, next)))
        else {
            break;
        };
        let _ = write!(place, "/{nth}");
        world = next;
    }
    place
}

/// What can happen in a world, and what it then is.
fn steps(config: &Config, world: &World) -> impl Iterator<Item = (Action, World)> {
    let actions = world.actions(config).into_iter();
    actions.filter_map(|action| world.step(config, action).map(|next| (action, next)))
}

/// A configuration, as stateright wants it for people.
struct Explorer(Config);

/// A state that shows itself first as people, and then as programs see it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Shown(World);

/// An action in the words of the state in which it can be taken.
#[derive(Clone, PartialEq, Eq)]
struct Told {
    action: Action,
    words: String,
}

impl Model for Explorer {
    type State = Shown;
    type Action = Told;

    fn init_states(&self) -> Vec<Shown> {
        vec![Shown(World::initial(&self.0))]
    }

    fn actions(&self, Shown(world): &Shown, actions: &mut Vec<Told>) {
        actions.extend(steps(&self.0, world).map(|(action, _)| Told { action, words: describe(world, action) }));
    }

    fn next_state(&self, Shown(world): &Shown, Told { action, .. }: Told) -> Option<Shown> {
        world.step(&self.0, action).map(Shown)
    }

    /// The invariants only: for each property that has an example the Explorer goes the whole way there again, several times
    /// for each step that it offers.
    fn properties(&self) -> Vec<Property<Self>> {
        kept().map(|(invariant, condition)| Property::always(invariant.id(), condition)).collect()
    }

    fn format_action(&self, Told { words, .. }: &Told) -> String {
        words.clone()
    }

    fn format_step(&self, Shown(world): &Shown, Told { action, .. }: Told) -> Option<String> {
        world.step(&self.0, action).map(|next| picture(&next))
    }
}

impl Borrow<World> for Shown {
    fn borrow(&self) -> &World {
        &self.0
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{:#?}", picture(&self.0), self.0)
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// A state as people see it, a line for each part of the world.
fn picture(world: &World) -> String {
    let of = |generation: Option<turquoise_core::Generation>| generation.map_or("-".to_owned(), |g| format!("g{}", g.number));
    let until = |at: turquoise_core::Instant| at.since(world.now).as_millis();
    let process = match world.process {
        Process::Up(_) => "up".to_owned(),
        Process::Down(ticks) => format!("down for {ticks} ticks"),
        Process::Outside(_) => "a driver's".to_owned(),
    };
    let mut told = String::new();
    let mut line = |what: &str, words: String| _ = writeln!(told, "{what:<10} {words}");
    if let Some(invariant) = world.violated {
        line("BROKEN", format!("{invariant}: {}", invariant.sentence()));
    }
    line("process", format!("{process}, in phase {:?}", world.phase().kind()));
    if let Process::Up(machine) = &world.process {
        line("new work", of(machine.serving()));
    }
    for credential in &world.live {
        let useless = if credential.useless { ", with too few rights" } else { "" };
        line("lives", format!("{} for {} ticks{useless}", of(Some(credential.generation)), until(credential.expires)));
    }
    line("slots", format!("blue {}, green {}", of(world.slots.blue), of(world.slots.green)));
    line("sink", of(world.published));
    if let Some(reader) = &world.reader {
        let again = reader.again.map_or(String::new(), |at| format!(", reads again within {} ticks", until(at)));
        line("reader", format!("{}{again}", of(Some(reader.holds))));
    }
    if world.work.is_some() {
        line("work", of(world.work));
    }
    if world.writing.is_some() {
        line("to disk", record(world));
    }
    for request in &world.flight {
        let fate = match (request.op, request.swallowed) {
            (None, _) => ", for nobody",
            (_, true) => ", and its reply is lost",
            _ => "",
        };
        line("under way", format!("{}{fate}", name(&request.effect)));
    }
    line(
        "may come",
        format!("crashes {}, other faults {}, an operator's requests {}", world.crashes, world.faults, world.operator),
    );
    told
}
