//! An emulator that is as strict as AWS, and who switches keys off.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use turquoise::aws_iam::policy;
use turquoise::memory::ExposeSecret as _;
use turquoise_moto::{Call, Emulator, EmulatorError, Fault, Key, KeyState, Loss, User};

use super::{LAG, PROFILE, USER};
use crate::demo::show::Show;
use crate::demo::site::{Provider, Site};
use crate::demo::trouble::Trouble;
use crate::demo::write_private;

/// How often it is looked whether there is a second key.
const LOOK: Duration = Duration::from_millis(20);

/// The server with all that a rotation needs, and the folder that everything is in. Both go with it, also if this process is
/// killed.
pub(super) struct Iam {
    emulator: Arc<Emulator>,
    pub(super) site: Site,
}

impl Iam {
    /// Gets it, starts it, sets it up, and has the first key made.
    pub(super) async fn build(show: &Show) -> Result<Self, Trouble> {
        let screen = show.clone();
        // If a line cannot be written, neither can the next one, where it is noticed.
        let emulator = spawn_blocking(move || Emulator::start(|doing| drop(screen.note(doing)))).await??;
        show.note(format_args!("an emulator of AWS IAM, STS and S3 (moto, made strict) serves at {}", emulator.url()))?;
        let (folder, address) = (emulator.folder().to_owned(), emulator.url().to_owned());
        let scene = Self { emulator: Arc::new(emulator), site: Site { provider: Provider::AwsIam, folder, address } };
        let user = User { name: USER.to_owned(), policy: rights()?, propagate: LAG, linger: LAG };
        let Key { id, secret } = scene.admin(move |emulator| emulator.make_user(&user)).await?;
        let secret = secret.expose_secret();
        let profile = format!("[{PROFILE}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
        write_private(&scene.site.first(), &profile)?;
        show.note("a new key is unknown for a second there, and a deleted one honoured for a second, as at AWS")?;
        show.note("its administrator makes a user that may manage its own keys, and hands us a first key in a profile")?;
        Ok(scene)
    }

    /// What is made from now on cannot do its work.
    pub(super) async fn spoil(&self) -> Result<(), Trouble> {
        self.admin(|emulator| emulator.quarantine(USER)).await
    }

    /// Ends that.
    pub(super) async fn mend(&self) -> Result<(), Trouble> {
        self.admin(|emulator| emulator.trust(USER)).await
    }

    /// The next key is made, and the answer with it is lost.
    pub(super) async fn lose_the_answer(&self) -> Result<(), Trouble> {
        let fault = Fault { user: USER, action: "CreateAccessKey", loss: Loss::LateReply, skip: 0, times: 1 };
        self.admin(move |emulator| emulator.fault(fault)).await
    }

    /// Waits until there is one.
    pub(super) async fn second_key(&self) -> Result<(), Trouble> {
        while self.admin(|emulator| emulator.keys(USER)).await?.len() < 2 {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The keys that were ever made, those that there are, and what was done with them.
    pub(super) async fn facts(&self) -> Result<(Vec<String>, Vec<KeyState>, Vec<Call>), Trouble> {
        self.admin(|emulator| Ok((emulator.made(USER)?, emulator.keys(USER)?, emulator.log(USER)?))).await
    }

    /// Whether the server serves, or why not.
    pub(super) async fn check(&self) -> Result<(), String> {
        self.admin(|emulator| emulator.keys(USER)).await.map(drop).map_err(|why| why.to_string())
    }

    async fn admin<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Emulator) -> Result<T, EmulatorError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let emulator = Arc::clone(&self.emulator);
        Ok(spawn_blocking(move || ask(&emulator)).await??)
    }
}

/// The least that a rotation needs, and the load.
fn rights() -> Result<Value, Trouble> {
    let mut rights: Value = serde_json::from_str(&policy(&format!("arn:aws:iam::123456789012:user/{USER}")))?;
    if let Some(statements) = rights["Statement"].as_array_mut() {
        statements.push(json!({ "Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*" }));
    }
    Ok(rights)
}
