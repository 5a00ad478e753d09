//! The simulated provider: the model's world behind the port, and a network that loses, delays and refuses.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;
use turquoise_memory::{ExposeSecret as _, Secret};
use turquoise_model::{Ask, Outside};
use turquoise_runtime::core::{Applied, Generation, Instant, Mint, Outcome, Refusal};
use turquoise_runtime::port::{Contract, Credential, Handle, Limit, Minted, Observed, Provider, Reason, Reply};

use crate::dice::Dice;
use crate::plan::{Plan, Story};
use crate::world::{For, Shared, State};

/// The hands of one process on the world.
#[derive(Clone)]
pub(crate) struct Hands {
    pub(crate) shared: Arc<Shared>,
    pub(crate) process: u32,
}

/// What becomes of a request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is done, and the answer comes in time.
    Done,
    /// It is done, but what it makes has too few rights.
    Useless,
    /// It comes to nobody, and whoever sent it is told so.
    Unavailable,
    /// It is turned away for a while.
    Throttled,
    /// The provider will not mint.
    Refused,
    /// It comes to nobody, and nobody is told.
    RequestLost,
    /// It is done, and nobody is told.
    ReplyLost,
    /// It is done when nobody waits any more.
    Late,
    /// A node that lags answers.
    Lags,
    /// Nobody gave the secret that it comes with.
    Stranger,
}

/// What comes back.
enum Answer {
    Outcome(Outcome),
    Unavailable,
    Throttled,
    Reset,
}

impl Hands {
    /// Sends a request; answers what the provider made of it, and for a mint what it is called.
    async fn ask(&self, ask: Ask, known: bool) -> (Answer, Ask) {
        let Some((request, times)) = self.send(ask, known) else { return pending().await };
        let (ask, sent) = (request.ask, request.at);
        let (reply, answer) = oneshot::channel();
        // A request outlives who sent it.
        tokio::spawn(deliver(Arc::clone(&self.shared), request, times, reply));
        let answer = answer.await;
        match answer {
            Ok(answer) if self.hears(sent, ask, &answer) => (answer, ask),
            _ => pending().await,
        }
    }

    /// What is sent, unless the process is dead or dies now.
    fn send(&self, ask: Ask, known: bool) -> Option<(Sent, (Duration, Duration))> {
        let Self { shared, process } = self;
        let mut state = shared.lock();
        let of = code(ask);
        if state.alive != Some(*process) || shared.dies(&mut state, *process, of, format_args!("before {}", name(ask))) {
            return None;
        }
        let sent = shared.now(&state);
        let ask = renamed(&state, ask);
        state.site.asks(sent, ask);
        let mut dice = shared.dice(&mut state, For::Wire, of);
        let fate = if known { draw(&shared.plan, &state, sent, ask, &mut dice) } else { Fate::Stranger };
        if fate != Fate::Done {
            state.site.hinders();
        }
        shared.tell(&mut state, format!("{ask:?}: {fate:?}"));
        let naps = state.naps;
        // A request that is under way outlives the process.
        shared.dies(&mut state, *process, of, format_args!("during {}", name(ask)));
        Some((Sent { ask, at: sent, naps, fate }, times(&shared.plan, fate, &mut dice)))
    }

    /// Whether the process lives to hear an answer.
    fn hears(&self, sent: Instant, ask: Ask, answer: &Answer) -> bool {
        let Self { shared, process } = self;
        let mut state = shared.lock();
        if state.alive != Some(*process)
            || shared.dies(&mut state, *process, 1_000 + code(ask), format_args!("after {}", name(ask)))
        {
            return false;
        }
        if matches!(answer, Answer::Outcome(Outcome::Applied(_))) {
            state.site.answers(sent, ask);
        }
        true
    }

    /// Whether the provider ever gave this secret to this credential.
    fn knows(&self, credential: &Credential) -> bool {
        let state = self.shared.lock();
        state.minted.get(&credential.mint.generation).is_some_and(|(_, secret)| secret == credential.secret.expose_secret())
            || state.minted.values().any(|(_, secret)| secret == credential.secret.expose_secret())
    }

    /// Which credential has this secret: a mint that is repeated makes another one of the same name.
    fn whose(&self, credential: &Credential) -> Generation {
        let state = self.shared.lock();
        let own = state.minted.iter().find(|(_, (_, secret))| secret == credential.secret.expose_secret());
        own.map_or(credential.mint.generation, |(generation, _)| *generation)
    }

    fn named(&self, target: &Handle) -> Option<Generation> {
        let state = self.shared.lock();
        state.minted.iter().find(|(_, (handle, _))| handle == target).map(|(generation, _)| *generation)
    }

    async fn mint(&self, ask: Ask, known: bool) -> Reply<Minted> {
        let (answer, ask) = self.ask(ask, known).await;
        reply(&answer, |applied| {
            let remaining = life(applied);
            let generation = ask.makes().map(|mint| mint.generation);
            let state = self.shared.lock();
            let (handle, secret) = generation
                .and_then(|generation| state.minted.get(&generation))
                .cloned()
                .unwrap_or_else(|| (Handle("nothing was made".to_owned()), String::new()));
            Minted { secret: Secret::from(secret), handle, remaining }
        })
    }

    async fn life(&self, ask: Ask, known: bool) -> Reply<Duration> {
        reply(&self.ask(ask, known).await.0, life)
    }

    async fn observed(&self, ask: Ask, known: bool) -> Reply<Observed> {
        reply(&self.ask(ask, known).await.0, |applied| match applied {
            Applied::Alive { remaining } => Observed::Alive(remaining),
            Applied::Done | Applied::Dead => Observed::Dead,
        })
    }
}

impl Provider for Hands {
    fn contract(&self) -> Contract {
        self.shared.plan.contract
    }

    async fn login(&self, mint: Mint) -> Reply<Minted> {
        self.mint(Ask::Login { mint }, true).await
    }

    async fn issue(&self, with: &Credential, mint: Mint, life: Duration) -> Reply<Minted> {
        self.mint(Ask::Issue { mint, by: self.whose(with), life }, self.knows(with)).await
    }

    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        self.life(Ask::Probe(self.whose(with)), self.knows(with)).await
    }

    async fn set_life(&self, with: &Credential, life: Duration) -> Reply<Duration> {
        self.life(Ask::SetLife { generation: self.whose(with), life }, self.knows(with)).await
    }

    async fn revoke(&self, with: &Credential) -> Reply<()> {
        reply(&self.ask(Ask::Revoke(self.whose(with)), self.knows(with)).await.0, |_| ())
    }

    async fn observe(&self, target: &Credential, witness: &Credential) -> Reply<Observed> {
        self.observed(Ask::Observe { generation: self.whose(target), by: self.whose(witness) }, self.knows(witness)).await
    }

    async fn revoke_named(&self, target: &Handle, with: &Credential) -> Reply<()> {
        let Some(generation) = self.named(target) else { return Reply::Refused(Reason("invalid accessor".to_owned())) };
        reply(&self.ask(Ask::RevokeNamed { generation, by: self.whose(with) }, self.knows(with)).await.0, |_| ())
    }

    async fn observe_named(&self, target: &Handle, witness: &Credential) -> Reply<Observed> {
        let Some(generation) = self.named(target) else { return Reply::Refused(Reason("invalid accessor".to_owned())) };
        self.observed(Ask::Observe { generation, by: self.whose(witness) }, self.knows(witness)).await
    }

    async fn discover(&self, lost: Generation, witness: &Credential) -> Reply<Option<Handle>> {
        let ask = Ask::Discover { generation: lost, by: self.whose(witness) };
        let answer = self.ask(ask, self.knows(witness)).await.0;
        let handle = self.shared.lock().minted.get(&lost).map(|(handle, _)| handle.clone());
        reply(&answer, |applied| if applied == Applied::Done { handle } else { None })
    }
}

/// A request on its way.
struct Sent {
    ask: Ask,
    at: Instant,
    naps: u32,
    fate: Fate,
}

/// Brings a request to the provider, and its answer back: as long as that takes, whatever became of who sent it.
async fn deliver(shared: Arc<Shared>, request: Sent, times: (Duration, Duration), reply: oneshot::Sender<Answer>) {
    let Sent { ask, naps, fate, .. } = request;
    sleep(times.0).await;
    let answer = {
        let mut state = shared.lock();
        // What was under way when everything slept never arrives.
        let gone = state.naps != naps;
        let now = shared.now(&state);
        match fate {
            _ if gone => None,
            Fate::RequestLost => None,
            Fate::Refused | Fate::Stranger => {
                state.site.ends(ask);
                Some(Answer::Outcome(Outcome::NotApplied(Refusal::Refused)))
            }
            Fate::Unavailable => {
                state.site.ends(ask);
                Some(Answer::Unavailable)
            }
            Fate::Throttled => {
                state.site.ends(ask);
                Some(Answer::Throttled)
            }
            Fate::Lags => Some(Answer::Outcome(Outside::lags(ask))),
            Fate::Done | Fate::Useless | Fate::ReplyLost | Fate::Late => {
                let outcome = grant(&shared, &mut state, now, ask, fate);
                (!matches!(fate, Fate::ReplyLost | Fate::Late)).then_some(Answer::Outcome(outcome))
            }
        }
    };
    sleep(times.1).await;
    // Half of those who get no answer are told that their connection is gone.
    let told = answer.or_else(|| (times.1.as_millis().is_multiple_of(4) && fate != Fate::Late).then_some(Answer::Reset));
    match told {
        // Who has gone meanwhile does not hear it.
        Some(answer) => drop(reply.send(answer)),
        None => pending().await,
    }
}

/// The provider does what it is asked.
fn grant(shared: &Shared, state: &mut State, now: Instant, ask: Ask, fate: Fate) -> Outcome {
    let refused = Outcome::NotApplied(Refusal::Refused);
    let Contract { live_at_once, revocation, propagation, .. } = shared.plan.contract;
    if let (Some(_), Limit::AtMost(most)) = (ask.makes(), live_at_once)
        && state.site.world().live.len() >= usize::from(most)
    {
        state.site.ends(ask);
        return refused;
    }
    let within = |since: Option<&Instant>, bound: Duration| since.is_some_and(|since| now < *since + bound);
    let asking = ask.secret().unwrap_or(Generation { incarnation: 0, number: 0 });
    if within(state.born.get(&asking), propagation) {
        return refused;
    }
    if matches!(ask, Ask::Probe(_)) && within(state.died.get(&asking), revocation) {
        return Outside::lags(ask);
    }
    // Whoever ends another one must be accepted.
    if matches!(ask, Ask::RevokeNamed { .. }) && !state.site.accepts(asking) {
        return refused;
    }
    let outcome = state.site.grants(now, ask, fate == Fate::Useless);
    match (ask, outcome) {
        (Ask::Login { mint } | Ask::Issue { mint, .. }, Outcome::Applied(_)) => {
            let Generation { number, .. } = mint.generation;
            let twins = state.minted.len();
            let named = (Handle(format!("accessor-{number}-{twins}")), format!("s3cr3t-{number}-{twins}"));
            state.minted.insert(mint.generation, named);
            if matches!(ask, Ask::Issue { .. }) {
                state.born.insert(mint.generation, now);
            }
        }
        (Ask::Revoke(generation) | Ask::RevokeNamed { generation, .. }, Outcome::Applied(_)) => {
            state.died.insert(generation, now);
        }
        _ => {}
    }
    shared.tell(state, format!("  came: {ask:?}: {outcome:?}"));
    outcome
}

/// A mint that was asked for before makes another credential, which nobody has a name for.
fn renamed(state: &State, ask: Ask) -> Ask {
    let rename = |mint: Mint| {
        let twins = u32::try_from(state.minted.len()).unwrap_or(u32::MAX);
        let Generation { incarnation, number } = mint.generation;
        let twin = Generation { incarnation: incarnation.wrapping_add(1 + twins), number };
        Mint { generation: if state.minted.contains_key(&mint.generation) { twin } else { mint.generation }, ..mint }
    };
    match ask {
        Ask::Login { mint } => Ask::Login { mint: rename(mint) },
        Ask::Issue { mint, by, life } => Ask::Issue { mint: rename(mint), by, life },
        other => other,
    }
}

/// Which kind of request, of which credential: what dice are drawn for.
const fn code(ask: Ask) -> u64 {
    let (kind, generation) = match ask {
        Ask::Login { mint } => (1, mint.generation),
        Ask::Issue { mint, .. } => (2, mint.generation),
        Ask::Probe(generation) => (3, generation),
        Ask::SetLife { generation, .. } => (4, generation),
        Ask::Revoke(generation) | Ask::RevokeNamed { generation, .. } => (5, generation),
        Ask::Observe { generation, .. } => (6, generation),
        Ask::Discover { generation, .. } => (7, generation),
    };
    10_000 * kind + generation.number as u64
}

fn draw(plan: &Plan, state: &State, now: Instant, ask: Ask, dice: &mut Dice) -> Fate {
    if !state.trouble {
        return fate_in(plan, state, now, ask);
    }
    if now < state.outage {
        return Fate::Unavailable;
    }
    if !dice.permille(plan.wire) {
        return Fate::Done;
    }
    let lost = [Fate::RequestLost, Fate::ReplyLost, Fate::Late, Fate::Unavailable, Fate::Throttled];
    match ask {
        Ask::Issue { .. } | Ask::Login { .. } if dice.permille(300) => {
            let first = state.site.world().ghost.committed.is_none();
            if first { Fate::Refused } else { dice.one(&[Fate::Useless, Fate::Refused]) }
        }
        // Of the last one nobody is left to look whether it is dead: its own word has to do.
        Ask::Revoke(_) | Ask::RevokeNamed { .. }
            if plan.lags() && state.site.world().ghost.committed.is_some() && dice.permille(500) =>
        {
            Fate::Lags
        }
        _ => dice.one(&lost),
    }
}

/// What a story wants.
fn fate_in(plan: &Plan, state: &State, now: Instant, ask: Ask) -> Fate {
    let retiring = |generation| state.site.world().ghost.previous == Some(generation);
    let ends = match ask {
        Ask::Revoke(_) | Ask::RevokeNamed { .. } | Ask::Observe { .. } => true,
        Ask::SetLife { generation, .. } => retiring(generation),
        _ => false,
    };
    match (plan.story.filter(|_| state.counting), ask) {
        (Some(Story::BadCandidate), Ask::Issue { .. }) => Fate::Useless,
        (Some(Story::LostMint | Story::LostMintFound), Ask::Issue { .. }) => Fate::ReplyLost,
        (Some(Story::Debt), _) if ends && now < state.begun + CONFIRMED => Fate::Unavailable,
        _ => Fate::Done,
    }
}

/// From then on the end of a debt can be confirmed.
const CONFIRMED: Duration = Duration::from_secs(12);

/// What is asked for, in a word.
const fn name(ask: Ask) -> &'static str {
    match ask {
        Ask::Login { .. } => "login",
        Ask::Issue { .. } => "issue",
        Ask::Probe(_) => "probe",
        Ask::SetLife { .. } => "set life",
        Ask::Revoke(_) | Ask::RevokeNamed { .. } => "revoke",
        Ask::Observe { .. } => "observe",
        Ask::Discover { .. } => "discover",
    }
}

/// So long a provider that is asked too much wants to be left alone.
pub(crate) const LEFT_ALONE: Duration = Duration::from_secs(1);

/// How long a request is on its way, and its answer.
fn times(plan: &Plan, fate: Fate, dice: &mut Dice) -> (Duration, Duration) {
    let (patience, delta) = (plan.policy.patience, plan.policy.delta);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let there = match fate {
        // Δ counts from before the wait for a permit.
        Fate::Late => dice.even(millis(patience) + 2, millis(delta.saturating_sub(patience / 2)) - 4),
        _ => dice.even(2, 30),
    };
    (there, dice.even(2, 30))
}

fn reply<T>(answer: &Answer, applied: impl FnOnce(Applied) -> T) -> Reply<T> {
    let reason = |why: &str| Reason(why.to_owned());
    match *answer {
        Answer::Outcome(Outcome::Applied(what)) => Reply::Applied(applied(what)),
        Answer::Outcome(Outcome::NotApplied(_)) => Reply::Refused(reason("permission denied")),
        Answer::Outcome(Outcome::Unknown) => Reply::Unknown(reason("it may be dead already")),
        Answer::Unavailable => Reply::Unavailable(reason("connection refused")),
        Answer::Throttled => Reply::Throttled { reason: reason("too many requests"), retry_after: Some(LEFT_ALONE) },
        Answer::Reset => Reply::Unknown(reason("connection reset by peer")),
    }
}

const fn life(applied: Applied) -> Duration {
    match applied {
        Applied::Alive { remaining } => remaining,
        Applied::Done | Applied::Dead => Duration::ZERO,
    }
}
