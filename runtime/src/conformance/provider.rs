//! What holds of every [`Provider`], and of one that declares what this one does.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use turquoise_core::{Color, Generation, Mint};
use turquoise_memory::{ExposeSecret as _, Secret};

use super::{Breach, Outcome, clause, fail_on};
use crate::port::{Candidates, Contract, Credential, Handle, Limit, Lives, Minted, Minting, Observed, Provider, Reply, Siblings};

/// No call takes longer.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a bound is looked at.
const NAP: Duration = Duration::from_millis(20);
/// Providers count in seconds, and round up.
const ROUNDING: Duration = Duration::from_secs(1);
/// What a credential is asked to live, unless its end is waited for.
const LIFE: Duration = Duration::from_mins(2);

/// Fails with every clause that does not hold. `builder` makes a provider for each check, whose login gives a credential of
/// an identity that has no other one. It takes some seconds of real time, and the bounds that the provider declares. Dropped
/// before it ends, it leaves at the provider what it had made there.
///
/// # Panics
///
/// If there is one; and outside a Tokio runtime with a timer.
pub async fn test_all<P: Provider>(builder: impl Fn() -> P) {
    fail_on(&check_all(builder).await);
}

/// Every clause that does not hold. Dropped before it ends, it leaves at the provider what it had made there.
pub async fn check_all<P: Provider>(builder: impl Fn() -> P) -> Vec<Breach> {
    let mut breaches = Vec::new();
    macro_rules! run {
        ($($check:ident),* $(,)?) => {
            $(if let Err(says) = $check(&Subject::new(builder())).await {
                breaches.push(Breach { check: stringify!($check), says });
            })*
        };
    }
    run!(
        a_login_gives_a_credential_that_works,
        a_handle_holds_no_secret,
        a_sibling_is_accepted_in_time_and_its_minter_still,
        a_mint_lives_as_long_as_asked,
        a_life_that_is_set_is_read_back,
        a_credential_ends_itself_in_time,
        the_dead_neither_mint_nor_live_on,
        a_second_revocation_is_no_refusal,
        the_end_of_one_is_for_its_siblings_as_declared,
        an_observer_tells_the_living_from_the_dead,
        a_dead_witness_proves_nothing,
        as_many_live_at_once_as_declared,
        a_mint_asked_for_twice_is_as_declared,
        a_stranger_is_turned_away_and_not_quoted,
        a_life_ends_by_itself,
        what_is_lost_is_found_and_ended,
    );
    breaches
}

/// A provider under test.
struct Subject<P> {
    provider: P,
    contract: Contract,
}

/// What was answered: the words are the provider's own.
enum Answer<T> {
    Applied(T),
    Refused(String),
    /// Not done, or nobody knows.
    Open(String),
}

fn mint(number: u32) -> Mint {
    let slot = if number % 2 == 1 { Color::Blue } else { Color::Green };
    Mint { generation: Generation { incarnation: 0x7051, number }, slot }
}

fn credential(mint: Mint, minted: Minted) -> Credential {
    Credential { mint, handle: minted.handle, secret: minted.secret }
}

impl<T> Answer<T> {
    fn needed(self, clause: &str) -> Result<T, String> {
        match self {
            Self::Applied(what) => Ok(what),
            Self::Refused(why) => Err(format!("{clause}, but it was refused: {why}")),
            Self::Open(why) => Err(format!("{clause}, but it was not known to be done: {why}")),
        }
    }

    const fn is_applied(&self) -> bool {
        matches!(self, Self::Applied(_))
    }

    fn words(&self) -> &str {
        match self {
            Self::Applied(_) => "",
            Self::Refused(words) | Self::Open(words) => words,
        }
    }
}

async fn call<T>(what: &str, reply: impl Future<Output = Reply<T>>) -> Result<Answer<T>, String> {
    let reply = timeout(PATIENCE, reply).await.map_err(|_| format!("each call ends by itself, but {what} did not"))?;
    Ok(match reply {
        Reply::Applied(what) => Answer::Applied(what),
        Reply::Refused(reason) => Answer::Refused(reason.0),
        Reply::Unavailable(reason) | Reply::Throttled { reason, .. } | Reply::Unknown(reason) => Answer::Open(reason.0),
    })
}

impl<P: Provider> Subject<P> {
    fn new(provider: P) -> Self {
        Self { contract: provider.contract(), provider }
    }

    async fn blue(&self) -> Result<Credential, String> {
        let minted = call("login", self.provider.login(mint(1))).await?.needed("a login gives a credential")?;
        Ok(credential(mint(1), minted))
    }

    /// What a credential is asked to live.
    const fn life(&self) -> Duration {
        match self.contract.lives {
            Lives::AsAsked | Lives::AsMinted => LIFE,
            Lives::UntilEnded => Contract::FOREVER,
        }
    }

    async fn issue(&self, with: &Credential, number: u32) -> Result<Credential, String> {
        let minted = self.another(with, number).await?;
        Ok(credential(mint(number), minted.needed("another credential is made")?))
    }

    /// Another one, as the contract says that it is made.
    async fn another(&self, with: &Credential, number: u32) -> Result<Answer<Minted>, String> {
        match self.contract.candidates {
            Candidates::Minted => call("issue", self.provider.issue(with, mint(number), self.life())).await,
            Candidates::LoggedIn => call("login", self.provider.login(mint(number))).await,
        }
    }

    /// Whether credentials mint: otherwise all that is said of a mint is said of a login, whose life is checked as such.
    fn mints(&self) -> bool {
        self.contract.candidates == Candidates::Minted
    }

    /// Two that live.
    async fn pair(&self) -> Result<(Credential, Credential), String> {
        let blue = self.blue().await?;
        let green = self.issue(&blue, 2).await?;
        self.accepted(&green).await?;
        Ok((blue, green))
    }

    async fn probe(&self, with: &Credential) -> Result<Answer<Duration>, String> {
        call("probe", self.provider.probe(with)).await
    }

    /// Waits until it is accepted, as long as the contract says.
    async fn accepted(&self, credential: &Credential) -> Result<Duration, String> {
        let (bound, until) = (self.contract.propagation, Instant::now() + self.contract.propagation);
        loop {
            let late = Instant::now() >= until;
            match self.probe(credential).await? {
                Answer::Applied(remaining) => return Ok(remaining),
                other if late => return other.needed(&format!("a new credential is accepted within {bound:?}")),
                _ => sleep(NAP).await,
            }
        }
    }

    /// Ends it, and waits until it is refused, as long as the contract says.
    async fn end(&self, credential: &Credential) -> Outcome {
        if let Answer::Refused(why) = call("revoke", self.provider.revoke(credential)).await? {
            return Err(format!("a credential may end itself, but it was refused: {why}"));
        }
        self.refused_within(credential, self.contract.revocation).await
    }

    async fn refused_within(&self, credential: &Credential, bound: Duration) -> Outcome {
        let until = Instant::now() + bound;
        loop {
            let late = Instant::now() >= until;
            match self.probe(credential).await? {
                Answer::Refused(_) => return Ok(()),
                Answer::Applied(_) if late => {
                    return Err(format!("what has ended is refused within {bound:?}, but it is accepted"));
                }
                Answer::Open(why) if late => {
                    return Err(format!("a probe of what has ended is refused, but it is said to be open: {why}"));
                }
                _ => sleep(NAP).await,
            }
        }
    }

    async fn set_life(&self, with: &Credential, life: Duration) -> Result<Answer<Duration>, String> {
        call("set_life", self.provider.set_life(with, life)).await
    }
}

async fn a_login_gives_a_credential_that_works<P: Provider>(subject: &Subject<P>) -> Outcome {
    let minted = call("login", subject.provider.login(mint(1))).await?.needed("a login gives a credential")?;
    let (remaining, longest) = (minted.remaining, subject.contract.login_life);
    clause!(remaining > Duration::ZERO, "a login gives a credential that lives, but this one has no life left");
    clause!(
        longest.is_zero() || remaining <= longest + ROUNDING,
        "a login gives at most {longest:?} as declared, but here are {remaining:?}"
    );
    let seen = subject.accepted(&credential(mint(1), minted)).await?;
    clause!(seen > Duration::ZERO, "a probe answers the remaining life, but here is none");
    Ok(())
}

async fn a_handle_holds_no_secret<P: Provider>(subject: &Subject<P>) -> Outcome {
    let (blue, green) = subject.pair().await?;
    for credential in [&blue, &green] {
        let Handle(handle) = &credential.handle;
        clause!(!handle.is_empty(), "a handle names a credential, but it is empty");
        clause!(
            !handle.contains(credential.secret.expose_secret()),
            "a handle is written down, and must not hold the secret, but it does"
        );
    }
    clause!(blue.handle != green.handle, "a handle tells one credential from another, but two have the same");
    Ok(())
}

async fn a_sibling_is_accepted_in_time_and_its_minter_still<P: Provider>(subject: &Subject<P>) -> Outcome {
    let (blue, _) = subject.pair().await?;
    subject.probe(&blue).await?.needed("who mints lives on").map(drop)
}

async fn a_mint_lives_as_long_as_asked<P: Provider>(subject: &Subject<P>) -> Outcome {
    if !subject.mints() {
        return Ok(());
    }
    let (blue, life) = (subject.blue().await?, subject.life());
    let minted = call("issue", subject.provider.issue(&blue, mint(2), life)).await?.needed("a credential mints a sibling")?;
    let said = minted.remaining;
    let seen = subject.accepted(&credential(mint(2), minted)).await?;
    for (remaining, who) in [(said, "the answer"), (seen, "a probe")] {
        clause!(
            remaining > life / 2 && remaining <= life + ROUNDING,
            "a mint lives as long as asked, {life:?}, but {who} says {remaining:?}"
        );
    }
    Ok(())
}

async fn a_life_that_is_set_is_read_back<P: Provider>(subject: &Subject<P>) -> Outcome {
    let (_, green) = subject.pair().await?;
    match subject.contract.lives {
        Lives::AsAsked => {}
        Lives::AsMinted => return what_is_left_is_answered(subject, &green).await,
        Lives::UntilEnded => return a_cut_is_none_the_shorter(subject, &green).await,
    }
    for life in [LIFE * 2, LIFE / 4] {
        let said = subject.set_life(&green, life).await?.needed("a life can be made longer and shorter")?;
        let seen = subject.probe(&green).await?.needed("a credential whose life was set is accepted")?;
        for (remaining, who) in [(said, "the answer"), (seen, "a probe")] {
            clause!(
                remaining > life / 2 && remaining <= life + ROUNDING,
                "a life is set to what was asked, {life:?}, and read back, but {who} says {remaining:?}"
            );
        }
    }
    Ok(())
}

/// What lives as it was minted is answered so, whatever it is asked to live.
async fn what_is_left_is_answered<P: Provider>(subject: &Subject<P>, green: &Credential) -> Outcome {
    for life in [LIFE * 2, LIFE / 4] {
        let said = subject.set_life(green, life).await?.needed("to set a life is answered by what is left")?;
        clause!(
            said > LIFE / 2 && said <= LIFE + ROUNDING,
            "a life is declared never to change, and it was {LIFE:?}, but asked for {life:?} the answer says {said:?}"
        );
    }
    Ok(())
}

/// What is declared to live until it is ended may refuse to be cut, or be switched off, but never says that it ends by itself.
async fn a_cut_is_none_the_shorter<P: Provider>(subject: &Subject<P>, green: &Credential) -> Outcome {
    let full = subject.set_life(green, Contract::FOREVER).await?.needed("a credential that lives for ever may be told so")?;
    let cut = subject.set_life(green, LIFE).await?;
    let ends = |remaining: Duration| remaining <= Contract::FOREVER / 2;
    clause!(!ends(full), "it is declared to live until it is ended, but an answer says {full:?}");
    match cut {
        Answer::Applied(remaining) if ends(remaining) => {
            Err(format!("it is declared to live until it is ended, but a cut says that {remaining:?} are left: declare that"))
        }
        _ => Ok(()),
    }
}

async fn a_credential_ends_itself_in_time<P: Provider>(subject: &Subject<P>) -> Outcome {
    let (_, green) = subject.pair().await?;
    subject.end(&green).await
}

async fn the_dead_neither_mint_nor_live_on<P: Provider>(subject: &Subject<P>) -> Outcome {
    let (_, green) = subject.pair().await?;
    subject.end(&green).await?;
    clause!(!subject.set_life(&green, subject.life()).await?.is_applied(), "what has ended gets no new life, but it did");
    if subject.mints() {
        let minted = call("issue", subject.provider.issue(&green, mint(3), subject.life())).await?;
        clause!(!minted.is_applied(), "what has ended mints nothing, but it did");
    }
    clause!(!subject.probe(&green).await?.is_applied(), "what has ended stays so, but it is accepted again");
    Ok(())
}

async fn a_second_revocation_is_no_refusal<P: Provider>(subject: &Subject<P>) -> Outcome {
    let (_, green) = subject.pair().await?;
    subject.end(&green).await?;
    match call("revoke", subject.provider.revoke(&green)).await? {
        Answer::Refused(why) => Err(format!("to end what is dead is done, or unknown, but it was refused: {why}")),
        Answer::Applied(()) | Answer::Open(_) => Ok(()),
    }
}

async fn the_end_of_one_is_for_its_siblings_as_declared<P: Provider>(subject: &Subject<P>) -> Outcome {
    let (blue, green) = subject.pair().await?;
    subject.end(&blue).await?;
    let lives = subject.probe(&green).await?.is_applied();
    match subject.contract.siblings {
        Siblings::LiveOn => clause!(lives, "it is declared that siblings live on, but one ended with its minter"),
        Siblings::EndToo => clause!(!lives, "it is declared that siblings end too, but one lives on: declare that"),
    }
    Ok(())
}

async fn an_observer_tells_the_living_from_the_dead<P: Provider>(subject: &Subject<P>) -> Outcome {
    let (blue, green) = subject.pair().await?;
    let longest = if subject.mints() { subject.life() } else { subject.contract.login_life };
    let observed = call("observe", subject.provider.observe(&green, &blue)).await?;
    match observed.needed("who observes what lives sees it")? {
        Observed::Alive(remaining) if remaining > Duration::ZERO && remaining <= longest + ROUNDING => {}
        Observed::Alive(remaining) => return Err(format!("an observer sees the remaining life, but it says {remaining:?}")),
        Observed::Dead => return Err("only what is dead is called so, but it lives".to_owned()),
    }
    subject.end(&green).await?;
    let until = Instant::now() + subject.contract.revocation;
    loop {
        let late = Instant::now() >= until;
        match call("observe", subject.provider.observe(&green, &blue)).await? {
            Answer::Applied(Observed::Dead) => return Ok(()),
            Answer::Applied(Observed::Alive(_)) if late => {
                return Err("what has ended is seen to be dead, but it is called alive".to_owned());
            }
            other if late => return other.needed("what has ended is seen to be dead by who lives").map(drop),
            _ => sleep(NAP).await,
        }
    }
}

async fn a_dead_witness_proves_nothing<P: Provider>(subject: &Subject<P>) -> Outcome {
    let (blue, green) = subject.pair().await?;
    subject.end(&green).await?;
    let observed = call("observe", subject.provider.observe(&blue, &green)).await?;
    clause!(
        !matches!(observed, Answer::Applied(Observed::Dead)),
        "a witness that is turned away has seen nothing, but what lives was called dead"
    );
    Ok(())
}

async fn as_many_live_at_once_as_declared<P: Provider>(subject: &Subject<P>) -> Outcome {
    let most = match subject.contract.live_at_once {
        Limit::AtMost(most) => u32::from(most.min(8)),
        Limit::None => 4,
    };
    let mut living = vec![subject.blue().await?];
    for number in 2..=most {
        let next = subject.issue(&living[0], number).await;
        living.push(next.map_err(|says| format!("{most} are declared to live at once, but of {number}: {says}"))?);
    }
    for credential in &living {
        let accepted = subject.accepted(credential).await;
        accepted.map_err(|says| format!("{most} are declared to live at once: {says}"))?;
    }
    if let Limit::AtMost(declared) = subject.contract.live_at_once
        && u32::from(declared) == most
    {
        let more = subject.another(&living[0], most + 1).await?;
        clause!(!more.is_applied(), "{most} are declared to live at once, and one more is refused, but it was minted");
        for credential in &living {
            let lives = subject.probe(credential).await?.is_applied();
            clause!(lives, "one more than {most} is refused, and none of the others ends for it, but one did");
        }
    }
    Ok(())
}

async fn a_mint_asked_for_twice_is_as_declared<P: Provider>(subject: &Subject<P>) -> Outcome {
    if matches!(subject.contract.live_at_once, Limit::AtMost(live) if live < 3) {
        return Ok(());
    }
    let (blue, first) = subject.pair().await?;
    let second = subject.issue(&blue, 2).await?;
    match subject.contract.minting {
        Minting::Idempotent => {
            clause!(
                first.handle == second.handle,
                "minting is declared to be idempotent, but the same mint made two credentials"
            );
        }
        Minting::MakesAnother => {
            clause!(first.handle != second.handle, "each mint is declared to make another credential, but two answers name one");
        }
    }
    Ok(())
}

async fn a_stranger_is_turned_away_and_not_quoted<P: Provider>(subject: &Subject<P>) -> Outcome {
    const STRANGE: &str = "turquoise-conformance-no-such-secret";
    let (handle, secret) = (Handle("stranger".to_owned()), Secret::from(STRANGE));
    let stranger = Credential { mint: mint(1), handle, secret };
    let probed = subject.probe(&stranger).await?;
    let renewed = subject.set_life(&stranger, subject.life()).await?;
    let minted = call("issue", subject.provider.issue(&stranger, mint(2), subject.life())).await?;
    for (what, applied, words) in [
        ("probe", probed.is_applied(), probed.words()),
        ("set_life", renewed.is_applied(), renewed.words()),
        ("issue", minted.is_applied(), minted.words()),
    ] {
        clause!(!applied, "a secret that the provider never gave is turned away, but {what} was done");
        clause!(!words.contains(STRANGE), "no answer holds a secret, but that of {what} does");
    }
    Ok(())
}

async fn a_life_ends_by_itself<P: Provider>(subject: &Subject<P>) -> Outcome {
    if subject.contract.lives == Lives::UntilEnded {
        return Ok(());
    }
    let short = Duration::from_secs(2);
    let blue = subject.blue().await?;
    let green = if subject.mints() {
        let minted = call("issue", subject.provider.issue(&blue, mint(2), short)).await?;
        credential(mint(2), minted.needed("a credential mints a sibling")?)
    } else {
        let green = subject.issue(&blue, 2).await?;
        subject.set_life(&green, short).await?.needed("a life can be made shorter")?;
        green
    };
    let bound = short + ROUNDING * 3 + subject.contract.propagation + subject.contract.revocation;
    let ended = subject.refused_within(&green, bound).await;
    ended.map_err(|says| format!("a life of {short:?} is over by itself: {says}"))?;
    subject.probe(&blue).await?.needed("who minted it lives on").map(drop)
}

/// Where nothing ends by itself, a mint whose answer was lost must be found by who lives, and ended by what names it.
async fn what_is_lost_is_found_and_ended<P: Provider>(subject: &Subject<P>) -> Outcome {
    if subject.contract.lives != Lives::UntilEnded {
        return Ok(());
    }
    let blue = subject.blue().await?;
    let lost = subject.issue(&blue, 2).await?;
    let found = call("discover", subject.provider.discover(lost.mint.generation, &blue)).await?;
    let found = found.needed("what is lost is looked for")?;
    clause!(found.as_ref() == Some(&lost.handle), "what is lost is found, but the answer is {found:?}");
    call("revoke_named", subject.provider.revoke_named(&lost.handle, &blue)).await?.needed("what is found is ended")?;
    subject.refused_within(&lost, subject.contract.propagation + subject.contract.revocation).await?;
    match call("observe_named", subject.provider.observe_named(&lost.handle, &blue))
        .await?
        .needed("what is found is looked at")?
    {
        Observed::Dead => Ok(()),
        Observed::Alive(_) => Err("what was found and ended is seen to be dead, but it is called alive".to_owned()),
    }
}
