//! Code that is written for `vaultrs` goes on reading while its token is rotated under it.
//!
//! `cargo run -p turquoise --features vaultrs --example vaultrs` starts an OpenBao server of its own with an AppRole, rotates
//! the token ten times by logging in again, and meanwhile reads a secret as fast as four tasks can. A read that fails ends it.

mod story;

use story::{Fault, Told, story};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example tells what it does")]
async fn main() -> Result<(), Fault> {
    let Told { rotations, reads, alive } = story(10).await?;
    println!("{rotations} rotations, {reads} reads, none of which failed; {alive} token lives");
    Ok(())
}
