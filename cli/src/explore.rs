//! `verify --explore` and `verify --replay`: the model for people who want to look for themselves.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use turquoise_model::{Config, Progress, explore, explorer, replay};

use crate::verify::show_progress;

/// Serves stateright's Explorer until the process ends.
///
/// # Errors
///
/// The address cannot be listened on, or the terminal does not listen.
pub(crate) fn serve(out: &mut impl Write, progress: &mut impl Write, address: SocketAddr, config: &Config) -> io::Result<()> {
    // The Explorer would take its pages from a folder `ui` of the working directory rather than its own.
    env::set_current_dir("/")?;
    let served = explorer::serve(config, address, |address| {
        // Nothing is left to do about a terminal that does not listen.
        let _ = show_counterexamples(out, progress, address, config);
        let _ = writeln!(out, "{}: http://{address}/ until Ctrl-C", config.name);
        let _ = out.flush();
    });
    served.map_err(|why| {
        let remedy = match why.kind() {
            io::ErrorKind::AddrInUse => "another program has that port; name another, or port 0 for a free one",
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address; 127.0.0.1 it always has",
            _ => "name another address or port",
        };
        io::Error::new(why.kind(), format!("cannot listen on {address}: {why}: {remedy}"))
    })
}

/// Explores a configuration that something is wrong with, and tells where the shortest stories are.
fn show_counterexamples(out: &mut impl Write, progress: &mut impl Write, at: SocketAddr, config: &Config) -> io::Result<()> {
    if config.pins.is_some() {
        return Ok(());
    }
    let found = explore(config, |states, depth| show_progress(progress, config, Progress::Exploring(states, depth)));
    for (invariant, way) in found.broken {
        writeln!(out, "{invariant} is broken: http://{at}/{}", explorer::place(config, &way))?;
    }
    Ok(())
}

/// Plays a scenario again. Whether it goes as it is written there, and breaks nothing.
///
/// # Errors
///
/// The file cannot be read, or the terminal does not listen.
pub(crate) fn play(out: &mut impl Write, file: &Path) -> io::Result<bool> {
    let text = fs::read_to_string(file).map_err(|why| io::Error::other(format!("cannot read {}: {why}", file.display())))?;
    let played = replay(&text);
    write!(out, "{}", played.transcript)?;
    let same = played.transcript == text;
    if !same {
        writeln!(out, "\nit does not go as it is written in {}", file.display())?;
    }
    Ok(same && played.world.violated.is_none())
}
