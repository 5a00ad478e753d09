//! One examination: it remembers what was found and what is to be thrown away.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use turquoise_runtime::core::{Color, Generation, Mint};
use turquoise_runtime::port::{Credential, Handle, Observed};

use crate::doctor::Plan;
use crate::doctor::report::{Finding, Outcome, Report};
use crate::failure::{Failure, shorten};
use crate::fit::{unfit, whole_seconds};
use crate::holder::Holder;
use crate::login::is_cut;
use crate::name::LeaseId;
use crate::policy::{Rule, Rules};
use crate::reply::{Leased, Listed, parse};
use crate::request::Request;

/// Who looks at itself and at others.
pub(super) const NEW: &str = "a new token";
pub(super) const SERVER: &str = "the server";

/// Servers round lives down.
const ROUNDING: Duration = Duration::from_secs(1);

/// Asked before each request.
type Stop<'a> = Box<dyn FnMut() -> bool + Send + 'a>;

pub(super) struct Exam<'a> {
    pub(super) holder: &'a Holder,
    pub(super) plan: Plan<'a>,
    pub(super) report: Report,
    rules: Rules,
    stop: Stop<'a>,
    /// No more is tried.
    pub(super) is_over: bool,
    incarnation: u32,
    number: u32,
    throwaways: Vec<Throwaway>,
}

/// A token that is ended when the examination is.
struct Throwaway {
    token: Arc<Credential>,
    /// What it was given last.
    life: Duration,
}

impl<'a> Exam<'a> {
    pub(super) fn new(holder: &'a Holder, rules: Rules, plan: Plan<'a>, stop: impl FnMut() -> bool + Send + 'a) -> Self {
        let report = Report { findings: Vec::new(), unchecked: Vec::new(), left: Vec::new() };
        let mut exam = Self {
            holder,
            plan,
            report,
            rules,
            stop: Box::new(stop),
            is_over: false,
            incarnation: 0,
            number: 0,
            throwaways: Vec::new(),
        };
        let random = getrandom::u32().map_err(|e| Failure::Unavailable(format!("the system gives no random bytes ({e})")));
        exam.incarnation = exam.local("this machine", "gives random numbers", random).unwrap_or_default();
        exam
    }

    /// A name for what is made next, as rotations name what they make.
    pub(super) fn mint(&mut self) -> Mint {
        self.number += 1;
        Mint { generation: Generation { incarnation: self.incarnation, number: self.number }, slot: Color::Green }
    }

    /// Has a new token ended when all is over.
    pub(super) fn keep(&mut self, mint: Mint, handle: Handle, secret: SecretString, life: Duration) -> Arc<Credential> {
        let token = Arc::new(Credential { mint, handle, secret: secret.into() });
        self.throwaways.push(Throwaway { token: Arc::clone(&token), life });
        token
    }

    /// It was ended.
    pub(super) fn gone(&mut self, handle: &Handle) {
        self.throwaways.retain(|kept| kept.token.handle != *handle);
    }

    /// Does what takes a line of the policy: the one for `path`. Not at all, if the examination is over.
    pub(super) async fn step<T>(
        &mut self,
        subject: &'static str,
        path: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Option<T> {
        let what = self.rules.of(path).map_or("", Rule::purpose);
        self.attempt(subject, what, path, work).await
    }

    /// As [`Self::step`], for what no policy is asked about, or what is called otherwise than the policy does.
    pub(super) async fn attempt<T>(
        &mut self,
        subject: &'static str,
        what: &'static str,
        path: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Option<T> {
        self.is_over |= (self.stop)();
        if self.is_over {
            return None;
        }
        let result = work.await;
        self.judge(subject, what, path, result)
    }

    /// What is found out without a request.
    pub(super) fn check<T>(&mut self, subject: &'static str, what: &'static str, found: Result<T, Failure>) -> Option<T> {
        self.judge(subject, what, "", found)
    }

    /// What is read on this machine.
    pub(super) fn local<T>(&mut self, subject: &'static str, what: &'static str, found: Result<T, Failure>) -> Option<T> {
        found.map_err(|why| self.note(Outcome::Local, subject, what, "", &why.to_string())).ok()
    }

    pub(super) fn warn(&mut self, subject: &'static str, what: &'static str, words: &str) {
        self.note(Outcome::Warning, subject, what, "", words);
    }

    fn judge<T>(&mut self, subject: &'static str, what: &'static str, path: &str, result: Result<T, Failure>) -> Option<T> {
        let failure = match result {
            Ok(value) => {
                self.note(Outcome::Good, subject, what, path, "");
                return Some(value);
            }
            Err(failure) => failure,
        };
        let line = self.rules.of(path);
        let (outcome, words) = match &failure {
            denied if denied.is_denial() && line.is_some() => match line.and_then(Rule::without) {
                None => (Outcome::Missing, "the policy of this token lacks a line".to_owned()),
                Some(without) => (Outcome::Warning, format!("the policy of this token lacks a line, and so {without}")),
            },
            Failure::Refused { .. } | Failure::Unfit(_) => (Outcome::Unfit, failure.to_string()),
            Failure::Unavailable(_) | Failure::Throttled { .. } => (Outcome::Failed, failure.to_string()),
            Failure::Unknown(_) => (Outcome::Failed, format!("{failure}; what it may have made dies by itself")),
        };
        self.is_over |= outcome == Outcome::Failed;
        self.note(outcome, subject, what, path, &words);
        None
    }

    /// The same is not told twice.
    fn note(&mut self, outcome: Outcome, subject: &'static str, what: &'static str, path: &str, words: &str) {
        let line = self.rules.of(path).cloned();
        let finding = Finding { outcome, subject, what, words: shorten(words), line };
        if !self.report.findings.contains(&finding) {
            self.report.findings.push(finding);
        }
    }

    /// What every token must manage that is to serve.
    pub(super) async fn serve(&mut self, token: &Credential) {
        let holder = self.holder;
        self.step(NEW, "auth/token/lookup-self", holder.look_up_self(&token.secret)).await;
        for probe in &holder.probes {
            self.step(NEW, &probe.path.to_string(), holder.read(&token.secret, probe)).await;
        }
        if holder.probes.is_empty() {
            let words = "no path is probed, so a token that can read nothing would pass: name one that your programs read";
            self.warn(NEW, "reads what it must be able to read", words);
        }
        self.set_lives(token).await;
    }

    /// Extends and shortens a life, as it is done to what serves and to what retires.
    async fn set_lives(&mut self, token: &Credential) {
        let Plan { life, probation, .. } = self.plan;
        let Some(given) = self.set_life(token, life).await else { return };
        self.check(NEW, "can live as long as a rotation needs", is_enough(given, life));
        let Some(left) = self.set_life(token, probation).await else { return };
        self.check(NEW, "can have its life cut", is_cut(left, probation));
    }

    /// Takes a lease of each path that programs take one of, sees how long it lives, and ends it.
    pub(super) async fn lease(&mut self, token: &Credential) {
        const WHAT: &str = "gives leases that a rotation outlives";
        let (transport, Plan { leases, every, .. }) = (&self.holder.transport, self.plan);
        for path in leases {
            let taking = async { parse::<Leased>(&transport.call(&token.secret, Request::lease(path)).await?.body) };
            let Some(Leased { lease_id, lease_duration, renewable }) = self.step(NEW, &path.to_string(), taking).await else {
                continue;
            };
            let Ok(lease) = lease_id.parse::<LeaseId>() else {
                self.warn(
                    SERVER,
                    WHAT,
                    &format!("what {path} answers is not leased: nothing waits for it, and it lives to its own end"),
                );
                continue;
            };
            let life = Duration::from_secs(lease_duration);
            if life > every {
                let words = format!(
                    "a lease of {path} lives for {life:?}, and each token is replaced after {every:?}: the lease ends with its token, \
                     when the grace is over. Let programs take another one then, shorten `default_ttl` there, or rotate less often"
                );
                self.warn(SERVER, WHAT, &words);
            }
            if renewable {
                let renewing = transport.call(&token.secret, Request::renew_lease(&lease, whole_seconds(life)));
                self.step(NEW, &format!("sys/leases/renew/{path}/*"), renewing).await;
            }
            let ending = transport.call(&token.secret, Request::revoke_lease(&lease));
            self.step(NEW, &format!("sys/leases/revoke/{path}/*"), ending).await;
        }
    }

    pub(super) async fn set_life(&mut self, token: &Credential, life: Duration) -> Option<Duration> {
        let given = self.step(NEW, "auth/token/renew-self", self.holder.renew(&token.secret, &token.handle, life)).await?;
        for kept in self.throwaways.iter_mut().filter(|kept| kept.token.handle == token.handle) {
            kept.life = given;
        }
        Some(given)
    }

    /// The old one ends itself, and the new one looks whether it is dead.
    pub(super) async fn succeed(&mut self, old: &Credential, new: &Credential) {
        let holder = self.holder;
        let ended = self.end_itself(NEW, old).await;
        let seen = self.step(NEW, "auth/token/lookup", holder.look(old, new)).await;
        if let (Some(()), Some(Observed::Alive(_))) = (ended, seen) {
            self.check::<()>(SERVER, "ends what it is told to end", Err(unfit("it answered 204, and the token lives on")));
        }
    }

    pub(super) async fn end_itself(&mut self, subject: &'static str, token: &Credential) -> Option<()> {
        let ending = self.holder.transport.call(&token.secret, Request::revoke_self());
        let answer = self.step(subject, "auth/token/revoke-self", ending).await?;
        if answer.status == StatusCode::NO_CONTENT {
            self.gone(&token.handle);
        }
        Some(())
    }

    /// One token ends another by its accessor, and looks whether it is dead.
    pub(super) async fn overpower(&mut self, victim: &Credential, with: &Credential) {
        let holder = self.holder;
        self.step(NEW, "auth/token/lookup-accessor", holder.look_by_accessor(&victim.handle, with)).await;
        if self.step(NEW, "auth/token/revoke-accessor", holder.end_by_accessor(&victim.handle, with)).await.is_none() {
            return;
        }
        match self.step(NEW, "auth/token/lookup-accessor", holder.look_by_accessor(&victim.handle, with)).await {
            Some(Observed::Alive(_)) => {
                self.check::<()>(SERVER, "ends what it is told to end", Err(unfit("it answered, and the token lives on")));
            }
            Some(Observed::Dead) | None => self.gone(&victim.handle),
        }
    }

    /// Lists all accessors, and looks at none of them.
    pub(super) async fn list(&mut self, present: &Credential, with: &Credential) {
        let holder = self.holder;
        let listing = async {
            let answer = holder.transport.call(&with.secret, Request::list_accessors()).await?;
            parse::<Listed>(&answer.body)
        };
        let Some(listed) = self.step(NEW, "auth/token/accessors", listing).await else { return };
        if !listed.data.keys.contains(&present.handle.0) {
            self.check::<()>(SERVER, "lists the tokens that live", Err(unfit("its list lacks a token that was just made")));
        }
    }

    /// Whether something writes down what was done. Most tokens may not ask, as it should be.
    pub(super) async fn audit(&mut self, token: &impl ExposeSecret<str>) {
        #[derive(Deserialize)]
        struct Devices {
            data: serde_json::Map<String, serde_json::Value>,
        }
        const WHAT: &str = "writes an audit log";
        self.is_over |= (self.stop)();
        if self.is_over {
            return;
        }
        let answer = self.holder.transport.call(token, Request::list_audits()).await;
        match answer.and_then(|answer| parse::<Devices>(&answer.body)) {
            Ok(devices) if devices.data.is_empty() => self.warn(
                SERVER,
                WHAT,
                "no audit device is on: a mint without an answer cannot be found in a log, and nobody can check afterwards what was \
                 done: turn one on",
            ),
            Ok(_) => self.note(Outcome::Good, SERVER, WHAT, "", ""),
            Err(_) => self.unchecked("whether the server writes an audit log: this token may not ask (it need not)"),
        }
    }

    /// What has not been tried by now will not be.
    pub(super) fn leave_the_rest(&mut self) {
        let tried = self.tried();
        self.rules = self.rules.only(|rule| tried.contains(rule));
    }

    fn tried(&self) -> Vec<Rule> {
        self.report.findings.iter().filter_map(|finding| finding.line.clone()).collect()
    }

    pub(super) fn unchecked(&mut self, what: &str) {
        self.report.unchecked.push(what.to_owned());
    }

    /// Ends what was made, and tells what was not tried.
    pub(super) async fn finish(mut self) -> Report {
        let tried = self.tried();
        for rule in self.rules.clone().iter().filter(|rule| !tried.contains(rule)) {
            self.note(Outcome::Skipped, NEW, rule.purpose(), rule.path(), "something else was in the way");
        }
        if self.is_over && !self.report.findings.iter().any(|finding| finding.outcome == Outcome::Failed) {
            self.note(Outcome::Skipped, "this examination", "comes to its end", "", "it was stopped");
        }
        while let Some(Throwaway { token, life }) = self.throwaways.pop() {
            let Err(why) = self.holder.end(&token.secret).await else { continue };
            let accessor = &token.handle.0;
            self.report.left.push(match self.holder.renew(&token.secret, &token.handle, ROUNDING).await {
                Ok(left) => format!("the token {accessor} could not be ended, and dies by itself in {left:?}"),
                Err(_) => format!("the token {accessor} could not be ended ({why}), and lives for up to {life:?}"),
            });
        }
        for what in [
            "whether programs can use what they are given, beyond the probes",
            "leases and child tokens that programs make otherwise than through a `listener`: nobody knows them, and they die with the token",
            "other nodes of the server than the one that answered, and requests from other hosts than this one",
            "quotas, and whatever is changed on the server from now on",
        ] {
            self.unchecked(what);
        }
        self.report
    }
}

/// Whether a life is as long as was asked, as servers count.
pub(super) fn is_enough(given: Duration, asked: Duration) -> Result<(), Failure> {
    if given + ROUNDING >= asked {
        return Ok(());
    }
    Err(Failure::Unfit(format!(
        "it can live for {given:?}, and the period with its grace takes {asked:?}: rotate more often, or raise `token_max_ttl` \
         (of a token role `token_explicit_max_ttl`) or the mount's `max_lease_ttl`"
    )))
}
