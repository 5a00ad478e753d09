//! The table at the end of the story of a key.

use turquoise::journal::FileJournal;
use turquoise_moto::Call;

use super::scene::Iam;
use crate::demo::proof::{Rounds, client, conclude};
use crate::demo::show::{Line, Show};
use crate::demo::trouble::Trouble;

/// The keys of the story: the first, and the candidates of four rotations.
const MADE: usize = 5;
/// The third is the one that cannot do its work.
const USELESS: usize = 2;
/// The fourth is the one at whose making the process is killed.
const KILLED: usize = 3;
/// The last serves at the end.
const CURRENT: usize = MADE - 1;

/// Prints it; any wrong line is trouble.
pub(super) async fn judge(scene: &Iam, show: &Show) -> Result<(), Trouble> {
    // Whoever rotated has let go of it.
    let journal = FileJournal::open(&scene.site.journal())?.history;
    let mut lines = Vec::new();
    lines.extend(client(["requests by the handle, served", "requests by the handle, failed"], &show.handle));
    lines.extend(client(["requests by the sink file, served", "requests by the sink file, failed"], &show.sink));
    lines.extend(Rounds::of(&journal.entries).lines(["rotations done", "rotations abandoned"], 2, 2));
    lines.extend(keys(scene).await?);
    conclude(lines, show)
}

/// What the emulator says.
async fn keys(scene: &Iam) -> Result<[Line; 6], Trouble> {
    let (made, listed, log) = scene.facts().await?;
    let (dead, alive) = (made.len() - listed.len(), listed.len());
    let is_last = alive == 1 && listed[0].active && made.get(CURRENT) == Some(&listed[0].id);
    let is_read = |call: &&Call| call.action == "GET";
    let refused = log.iter().filter(is_read).filter(|call| call.status != 200).count();
    let used =
        |place: usize, is: fn(&Call) -> bool| log.iter().filter(|call| made.get(place) == Some(&call.key) && is(call)).count();
    let (useless, lost) = (used(USELESS, |call| call.status == 200), used(KILLED, |_| true));
    Ok([
        Line::must("keys made", made.len(), made.len() == MADE, MADE),
        Line::must("keys dead", dead, dead == MADE - 1, MADE - 1),
        Line::must("keys alive", alive, is_last, "1, the last, and active"),
        Line::must("log of IAM: reads that were refused", refused, refused == 0, 0),
        Line::must("log of IAM: requests served to the useless key", useless, useless == 0, 0),
        Line::must("log of IAM: requests by the key that was lost", lost, lost == 0, 0),
    ])
}
