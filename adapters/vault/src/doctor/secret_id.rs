//! An AppRole's secret id.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use turquoise_runtime::port::{Credential, Handle};

use crate::doctor::exam::{Exam, NEW, is_enough};
use crate::doctor::{Plan, Report};
use crate::fit::whole_seconds;
use crate::policy::secret_id_policy;
use crate::reply::{SecretIdLooked, parse};
use crate::request::Request;
use crate::secret_id::{Issued, SecretIdConfig, SecretIdProvider, Worker, as_asked, random};
use crate::server::ConfigError;

/// What the operator has handed over. It is logged in with, and not changed.
const FIRST: &str = "the secret id of the file";
const MADE: &str = "a new secret id";

/// What is known of a role's tokens: they are not told how long they live.
const UNTOLD: Duration = Duration::ZERO;

struct Case<'a> {
    provider: &'a SecretIdProvider,
    issued: Issued,
    /// Secret ids to throw away.
    made: Vec<Arc<Made>>,
    /// Who can throw them away.
    worker: Option<Arc<Credential>>,
}

struct Made {
    secret: SecretString,
    accessor: Handle,
    life: Duration,
}

pub(super) async fn examine(
    config: SecretIdConfig,
    plan: Plan<'_>,
    stop: impl FnMut() -> bool + Send,
) -> Result<Report, ConfigError> {
    let (rules, issued) = (secret_id_policy(&config.app, config.issued, &config.probes), config.issued);
    let provider = SecretIdProvider::new(config)?;
    let mut exam = Exam::new(&provider.holder, rules, plan, stop);
    let mut case = Case { provider: &provider, issued, made: Vec::new(), worker: None };
    case.run(&mut exam).await;
    case.clean_up(&mut exam).await;
    Ok(exam.finish().await)
}

impl Case<'_> {
    async fn run(&mut self, exam: &mut Exam<'_>) -> Option<()> {
        let first = exam.local(FIRST, "can be read", self.provider.first())?;
        let worker = self.log_in(exam, FIRST, &first).await?;
        self.worker = Some(Arc::clone(&worker));
        exam.audit(&worker.secret).await;
        let lookup = Request::lookup_secret_id(&self.provider.app, &first).path;
        let looking = async { self.provider.look_up(&worker.secret, &first).await.map_err(|failure| failure.hide(&first)) };
        exam.step(FIRST, &lookup, looking).await;
        let short = self.make(exam, &worker, exam.plan.probation).await?;
        self.try_out(exam, &worker, &short).await;
        // Only what can surely be ended is made to live long.
        let by_value = self.destroy(exam, &worker, &short).await;
        let life = if by_value.is_some() { exam.plan.life } else { exam.plan.probation };
        let long = self.make(exam, &worker, life).await?;
        self.destroy_by_accessor(exam, &worker, &long).await;
        Some(())
    }

    /// What a candidate goes through, and who was logged in with it.
    async fn try_out(&mut self, exam: &mut Exam<'_>, worker: &Credential, candidate: &Made) -> Option<()> {
        let holder = exam.holder;
        let secret = &candidate.secret;
        let token = self.log_in(exam, MADE, secret).await?;
        for probe in &holder.probes {
            exam.step(NEW, &probe.path.to_string(), holder.read(&token.secret, probe)).await;
        }
        if holder.probes.is_empty() {
            let words = "no path is probed, so a token that can read nothing would pass: name one that your programs read";
            exam.warn(NEW, "reads what it must be able to read", words);
        }
        let request = Request::list_secret_ids(&self.provider.app);
        let path = request.path.clone();
        exam.step(NEW, &path, holder.transport.call(&worker.secret, request)).await;
        if self.issued == Issued::End {
            exam.list(&token, worker).await;
            exam.overpower(&token, worker).await;
        } else {
            exam.end_itself(NEW, &token).await;
            return Some(());
        }
        let token = self.log_in(exam, MADE, secret).await?;
        exam.end_itself(NEW, &token).await
    }

    async fn log_in(&mut self, exam: &mut Exam<'_>, subject: &'static str, with: &SecretString) -> Option<Arc<Credential>> {
        let logging_in = self.provider.log_in(with);
        let Worker { token, accessor } = exam.attempt(subject, "is good for a login", "", logging_in).await?;
        let mint = exam.mint();
        Some(exam.keep(mint, Handle(accessor), token, UNTOLD))
    }

    async fn make(&mut self, exam: &mut Exam<'_>, worker: &Credential, life: Duration) -> Option<Arc<Made>> {
        let (holder, asked, mint) = (exam.holder, whole_seconds(life), exam.mint());
        let secret = exam.local("this machine", "gives random numbers", random())?;
        let request = Request::create_secret_id(&self.provider.app, &secret, mint.generation, asked);
        let path = request.path.clone();
        let making = async {
            let answer = holder.transport.call(&worker.secret, request).await.map_err(|failure| failure.hide(&secret))?;
            parse::<SecretIdLooked>(&answer.body)
        };
        let Some(answer) = exam.step(NEW, &path, making).await else {
            // By its value it can be ended even if nobody knows whether it is there.
            self.made.extend(exam.is_over.then(|| Arc::new(Made { secret, accessor: Handle("(not told)".to_owned()), life })));
            return None;
        };
        let given = Duration::from_secs(answer.data.ttl);
        let made = Arc::new(Made { secret, accessor: Handle(answer.data.accessor.clone()), life: given });
        self.made.push(Arc::clone(&made));
        exam.check(MADE, "is one that can be rotated", as_asked(&answer, asked))?;
        exam.check(MADE, "can live as long as a rotation needs", is_enough(given, life))?;
        Some(made)
    }

    async fn destroy(&mut self, exam: &mut Exam<'_>, worker: &Credential, target: &Made) -> Option<()> {
        let request = Request::destroy_secret_id(&self.provider.app, &target.secret);
        let path = request.path.clone();
        let holder = exam.holder;
        let ending =
            async { holder.transport.call(&worker.secret, request).await.map_err(|failure| failure.hide(&target.secret)) };
        exam.step(NEW, &path, ending).await?;
        self.made.retain(|made| made.accessor != target.accessor);
        Some(())
    }

    async fn destroy_by_accessor(&mut self, exam: &mut Exam<'_>, worker: &Credential, Made { accessor, .. }: &Made) {
        let provider = self.provider;
        let lookup = Request::lookup_secret_id_accessor(&provider.app, &accessor.0).path;
        exam.step(NEW, &lookup, provider.left_of(&worker.secret, accessor)).await;
        let request = Request::destroy_secret_id_accessor(&provider.app, &accessor.0);
        let path = request.path.clone();
        if exam.step(NEW, &path, exam.holder.transport.call(&worker.secret, request)).await.is_some() {
            self.made.retain(|made| made.accessor != *accessor);
        }
    }

    async fn clean_up(mut self, exam: &mut Exam<'_>) {
        let Some(worker) = self.worker else { return };
        let (app, holder) = (&self.provider.app, exam.holder);
        for made in self.made.drain(..) {
            let Made { secret, accessor, life } = &*made;
            let by_value = holder.transport.call(&worker.secret, Request::destroy_secret_id(app, secret)).await;
            if by_value.is_ok() {
                continue;
            }
            if let Err(why) = holder.transport.call(&worker.secret, Request::destroy_secret_id_accessor(app, &accessor.0)).await {
                let (accessor, why) = (&accessor.0, why.hide(secret));
                exam.report.left.push(format!("the secret id {accessor} could not be ended ({why}), and lives for {life:?}"));
            }
        }
    }
}
