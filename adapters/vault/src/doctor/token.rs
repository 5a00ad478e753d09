//! A token that mints its own successors.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use turquoise_runtime::core::Privileges;
use turquoise_runtime::port::{Credential, Handle};

use crate::config::TokenConfig;
use crate::doctor::exam::{Exam, NEW};
use crate::doctor::{Plan, Report};
use crate::failure::Failure;
use crate::fit::whole_seconds;
use crate::holder::{fit_to_adopt, handed_over};
use crate::policy::policy;
use crate::reply::{Authenticated, parse};
use crate::request::Request;
use crate::server::ConfigError;
use crate::token::TokenProvider;

/// What the operator has handed over. It mints, and is not changed.
const FIRST: &str = "the token of the file";

pub(super) async fn examine(
    config: TokenConfig,
    plan: Plan<'_>,
    stop: impl FnMut() -> bool + Send,
) -> Result<Report, ConfigError> {
    let rules = policy(config.through.clone(), &config.probes, plan.privileges).leasing(plan.leases);
    let provider = TokenProvider::new(config)?;
    let mut exam = Exam::new(&provider.holder, rules, plan, stop);
    run(&mut exam, &provider).await;
    exam.unchecked("whether the token of the file may renew and end itself: it is in use, so it was left as it is");
    Ok(exam.finish().await)
}

async fn run(exam: &mut Exam<'_>, provider: &TokenProvider) -> Option<()> {
    let first = exam.local(FIRST, "can be read", handed_over(&provider.token_file))?;
    let looked_up = provider.holder.look_up_self(&first);
    if let Some(seen) = exam.attempt(FIRST, "is accepted, and looks itself up", "auth/token/lookup-self", looked_up).await {
        exam.check(FIRST, "can be rotated", fit_to_adopt(&seen))?;
        if provider.entity_alias.is_none() && !seen.entity_id.is_empty() {
            let words = "it has an entity, and its successors will not have that one's rights: name an alias of it that the role \
                         allows";
            exam.warn(FIRST, "has rights that its successors will have", words);
        }
    }
    exam.audit(&first).await;
    let green = mint(exam, provider, FIRST, &first).await?;
    exam.serve(&green).await;
    exam.lease(&green).await;
    let next = mint(exam, provider, NEW, &green.secret).await;
    let next = match next {
        Some(next) => next,
        None => mint(exam, provider, FIRST, &first).await?,
    };
    if exam.plan.privileges == Privileges::Accessor {
        let lost = mint(exam, provider, FIRST, &first).await?;
        exam.list(&lost, &next).await;
        exam.overpower(&lost, &next).await;
    }
    exam.succeed(&green, &next).await;
    Some(())
}

/// Mints a token, and judges it. Whether it is as it should be or not, it is thrown away in the end.
async fn mint(
    exam: &mut Exam<'_>,
    provider: &TokenProvider,
    subject: &'static str,
    with: &impl ExposeSecret<str>,
) -> Option<Arc<Credential>> {
    let (holder, mint, asked) = (exam.holder, exam.mint(), whole_seconds(exam.plan.probation));
    let request = Request::create(&provider.through, mint.generation, asked, provider.entity_alias.clone());
    let path = request.path.clone();
    let minting = async {
        let answer = holder.transport.call(with, request).await?;
        let Authenticated { mut auth, warnings } = parse(&answer.body)?;
        let none = || Failure::Unknown("the reply has no token in it".to_owned());
        let secret = auth.secret.take().ok_or_else(none)?;
        Ok((auth, secret, warnings.unwrap_or_default()))
    };
    let (auth, secret, warnings) = exam.step(subject, &path, minting).await?;
    let judged = provider.as_asked(&auth, &warnings, asked).map_err(|fault| fault.hide(&secret));
    let token = exam.keep(mint, Handle(auth.accessor), secret, Duration::from_secs(auth.ttl));
    exam.check("a token that is minted", "is one that can be rotated", judged)?;
    Some(token)
}
