//! What a provider adds to the story.

use std::time::Duration;

use turquoise::core::StepKind;
use turquoise::port::History;

use super::show::{Line, Show};
use super::sidecar::Sidecar;
use super::site::Site;
use super::trouble::Trouble;

/// How often the server is asked whether it serves.
const WATCH: Duration = Duration::from_millis(500);

/// The words of the story that are not the same with every provider.
pub(crate) struct Words {
    /// What is rotated.
    pub(crate) noun: &'static str,
    /// The beginning.
    pub(crate) adopted: &'static str,
    /// What the load is, line by line.
    pub(crate) load: [&'static str; 2],
    /// Why the second rotation is to fail.
    pub(crate) spoilt: &'static str,
    /// … and the next ones are not.
    pub(crate) mended: &'static str,
    /// When the process is killed.
    pub(crate) killed: &'static str,
}

/// A server with what a rotation needs, and the folder that everything is in. Both go with it, also if this process is killed.
pub(crate) trait Scene: Sized {
    const WORDS: Words;

    /// The record by which a successor has ended what a killed process left behind.
    const CLEAN: StepKind;

    /// Gets the server, starts it, sets it up, and has the first credential made.
    async fn build(show: &Show) -> Result<Self, Trouble>;

    fn site(&self) -> &Site;

    /// What is made from now on cannot do its work.
    async fn spoil(&self) -> Result<(), Trouble>;

    /// Ends that.
    async fn mend(&self) -> Result<(), Trouble>;

    /// Has it rotate, up to where it is to be killed.
    async fn rotate_halfway(&self, sidecar: &mut Sidecar, show: &Show) -> Result<(), Trouble>;

    /// What the server says in the end, and what must be.
    async fn facts(&self, journal: &History) -> Result<Vec<Line>, Trouble>;

    /// Whether the server serves, or why not.
    async fn check(&self) -> Result<(), String>;

    /// Does not end while the server serves.
    async fn watch(&self) -> Trouble {
        loop {
            tokio::time::sleep(WATCH).await;
            if let Err(why) = self.check().await {
                return Trouble::Provider(format!("the server at {} no longer serves: {why}", self.site().address));
            }
        }
    }
}
