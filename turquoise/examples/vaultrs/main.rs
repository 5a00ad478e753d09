//! Code that is written for `vaultrs` goes on reading while its token is rotated under it.
//!
//! `cargo run -p turquoise --features vaultrs --example vaultrs -- 10` starts an OpenBao server of its own with an AppRole,
//! rotates the token ten times by logging in again, and meanwhile four tasks read a secret, each some ninety times a second. A read
//! that fails ends it.

#[path = "../rounds/mod.rs"]
mod rounds;
#[path = "../scene/mod.rs"]
mod scene;
mod story;

use rounds::Fault;
use story::{Told, story};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example tells what it does")]
async fn main() -> Result<(), Fault> {
    let rotations = std::env::args().nth(1).map_or(Ok(10), |rotations| rotations.parse())?;
    let Told { rotations, reads, alive } = story(rotations).await?;
    println!("{rotations} rotations, {reads} reads, none of which failed; {alive} token lives");
    Ok(())
}
