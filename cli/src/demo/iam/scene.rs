//! An emulator that is as strict as AWS, and who switches keys off.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use turquoise::aws_iam::policy;
use turquoise::core::StepKind;
use turquoise::memory::ExposeSecret as _;
use turquoise::port::History;
use turquoise_moto::{Call, Emulator, EmulatorError, Fault, Key, Loss, User};

use super::{LAG, PROFILE, USER};
use crate::demo::proof::{CURRENT, KILLED, MADE, USELESS};
use crate::demo::scene::{Scene, Words};
use crate::demo::show::{Line, Show};
use crate::demo::sidecar::{Rotates as _, Sidecar};
use crate::demo::site::{Provider, Site};
use crate::demo::trouble::Trouble;
use crate::demo::write_private;

/// How often it is looked whether there is a second key.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) struct Iam {
    emulator: Arc<Emulator>,
    site: Site,
}

impl Scene for Iam {
    const WORDS: Words = Words {
        noun: "key",
        adopted: "The first key is adopted, and the load begins",
        load: [
            "signed reads flow: by tasks in this process, which take the key from the handle for each of them,",
            "and by another process, which knows nothing of us but a shared credentials file",
        ],
        spoilt: "2. A guard of the account switches off every key that is new",
        mended: "the guard is told of us",
        killed: "3. A process of its own takes over, and is killed while the answer with the new key is on its way",
    };

    // What was not answered has no name until it is found: meanwhile it is a debt.
    const CLEAN: StepKind = StepKind::Died;

    async fn build(show: &Show) -> Result<Self, Trouble> {
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

    fn site(&self) -> &Site {
        &self.site
    }

    async fn spoil(&self) -> Result<(), Trouble> {
        self.admin(|emulator| emulator.quarantine(USER)).await
    }

    async fn mend(&self) -> Result<(), Trouble> {
        self.admin(|emulator| emulator.trust(USER)).await
    }

    async fn rotate_halfway(&self, sidecar: &mut Sidecar, show: &Show) -> Result<(), Trouble> {
        let fault = Fault { user: USER, action: "CreateAccessKey", loss: Loss::LateReply, skip: 0, times: 1 };
        self.admin(move |emulator| emulator.fault(fault)).await?;
        sidecar.rotate().await?;
        sidecar.until(StepKind::IssueIntent, show).await?;
        while self.admin(|emulator| emulator.keys(USER)).await?.len() < 2 {
            tokio::time::sleep(LOOK).await;
        }
        Ok(show.note("IAM lists a second key, whose secret nobody has: it was in the answer")?)
    }

    async fn facts(&self, _: &History) -> Result<Vec<Line>, Trouble> {
        let made = self.admin(|emulator| emulator.made(USER)).await?;
        let listed = self.admin(|emulator| emulator.keys(USER)).await?;
        let log = self.admin(|emulator| emulator.log(USER)).await?;
        let (dead, alive) = (made.len() - listed.len(), listed.len());
        let is_last = alive == 1 && listed[0].active && made.get(CURRENT) == Some(&listed[0].id);
        let is_read = |call: &&Call| call.action == "GET";
        let refused = log.iter().filter(is_read).filter(|call| call.status != 200).count();
        let used = |place: usize, is: fn(&Call) -> bool| {
            log.iter().filter(|call| made.get(place) == Some(&call.key) && is(call)).count()
        };
        let (useless, lost) = (used(USELESS, |call| call.status == 200), used(KILLED, |_| true));
        Ok(vec![
            Line::must("keys made", made.len(), made.len() == MADE, MADE),
            Line::must("keys dead", dead, dead == MADE - 1, MADE - 1),
            Line::must("keys alive", alive, is_last, "1, the last, and active"),
            Line::must("log of IAM: reads that were refused", refused, refused == 0, 0),
            Line::must("log of IAM: requests served to the useless key", useless, useless == 0, 0),
            Line::must("log of IAM: requests by the key that was lost", lost, lost == 0, 0),
        ])
    }

    async fn check(&self) -> Result<(), String> {
        self.admin(|emulator| emulator.keys(USER)).await.map(drop).map_err(|why| why.to_string())
    }
}

impl Iam {
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
