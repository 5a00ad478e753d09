//! A token that is replaced by logging in again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use turquoise_runtime::core::Privileges;
use turquoise_runtime::port::Credential;

use crate::doctor::exam::{Exam, NEW};
use crate::doctor::{Plan, Report};
use crate::holder::{fit_to_adopt, handed_over};
use crate::login::{LoggedIn, LoginConfig, LoginProvider, is_cut, lasts};
use crate::method::Method;
use crate::policy::login_policy;
use crate::reply::Token;
use crate::server::ConfigError;

const LOGIN: &str = "a login";
const TOKEN: &str = "the token of a login";

pub(super) async fn examine(
    config: LoginConfig,
    plan: Plan<'_>,
    stop: impl FnMut() -> bool + Send,
) -> Result<Report, ConfigError> {
    let rules = login_policy(config.method.app().as_ref(), &config.probes, plan.privileges).leasing(plan.leases);
    let provider = LoginProvider::new(LoginConfig { probation: plan.probation, ..config })?;
    let mut exam = Exam::new(&provider.holder, rules, plan, stop);
    match &provider.method {
        Method::TokenFile { file } => adopt(&mut exam, file).await,
        _ => run(&mut exam, &provider).await,
    };
    Ok(exam.finish().await)
}

/// It is in use, so it is only looked at.
async fn adopt(exam: &mut Exam<'_>, file: &Path) -> Option<()> {
    const FIRST: &str = "the token of the file";
    let (holder, token) = (exam.holder, exam.local(FIRST, "can be read", handed_over(file))?);
    let seen = exam.step(FIRST, "auth/token/lookup-self", holder.look_up_self(&token)).await?;
    exam.check(FIRST, "can be taken over", fit_to_adopt(&seen))?;
    for probe in &holder.probes {
        exam.step(FIRST, &probe.path.to_string(), holder.read(&token, probe)).await;
    }
    exam.leave_the_rest();
    exam.unchecked("whether the token of the file may renew and end itself: it is in use, so it was left as it is");
    Some(())
}

async fn run(exam: &mut Exam<'_>, provider: &LoginProvider) -> Option<()> {
    let (old, auth) = log_in(exam, provider, "is accepted").await?;
    exam.audit(&old.secret).await;
    lives_short(exam, provider, &old, &auth).await;
    check_uses(exam, provider, &old).await?;
    exam.serve(&old).await;
    exam.lease(&old).await;
    let (new, _) = log_in(exam, provider, "can be repeated").await?;
    if exam.plan.privileges == Privileges::Accessor {
        let (lost, _) = log_in(exam, provider, "can be repeated").await?;
        exam.overpower(&lost, &new).await;
    }
    exam.succeed(&old, &new).await;
    Some(())
}

/// Logs in, and judges what comes. Whether it is as it should be or not, it is thrown away in the end.
async fn log_in(exam: &mut Exam<'_>, provider: &LoginProvider, what: &'static str) -> Option<(Arc<Credential>, Token)> {
    let ready = provider.method.attempt().map(drop);
    exam.local(LOGIN, "has what it takes", ready)?;
    let mint = exam.mint();
    let LoggedIn { auth, secret, handle } = exam.attempt(LOGIN, what, "", provider.try_login(mint)).await??;
    let judged = provider.as_declared(&auth).map_err(|fault| fault.hide(&secret));
    let token = exam.keep(mint, handle, secret, Duration::from_secs(auth.ttl));
    exam.check(TOKEN, "is one that can be rotated", judged)?;
    Some((token, auth))
}

/// On probation from the first.
async fn lives_short(exam: &mut Exam<'_>, provider: &LoginProvider, token: &Credential, auth: &Token) {
    let (given, probation) = (Duration::from_secs(auth.ttl), provider.probation);
    if given <= probation {
        return;
    }
    let words = format!(
        "it lives for {given:?}, and so would one whose answer is lost: with `token_ttl = {}s` on the role that is the probation, and \
         a rotation takes a request less",
        probation.as_secs()
    );
    exam.warn(TOKEN, "dies soon if it is lost", &words);
    if let Some(cut) = exam.set_life(token, probation).await {
        exam.check(NEW, "can have its life cut", is_cut(cut, probation));
    }
}

/// Whether the secret id is good for any number of logins.
async fn check_uses(exam: &mut Exam<'_>, provider: &LoginProvider, token: &Credential) -> Option<()> {
    let holder = exam.holder;
    let request = exam.local(LOGIN, "has what it takes", provider.method.uses())?;
    let Some(request) = request else {
        if matches!(provider.method, Method::AppRole { .. }) {
            exam.unchecked("whether the secret id is good for any number of logins: name the AppRole to have that looked up");
        }
        return Some(());
    };
    let path = request.path.clone();
    match exam.step(NEW, &path, holder.transport.call(&token.secret, request)).await {
        Some(answer) => exam.check::<()>(LOGIN, "can be repeated for ever", lasts(&answer)),
        None => Some(()),
    }
}
