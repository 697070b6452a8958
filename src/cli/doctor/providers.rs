//! Whether providers work, as far as can be told without signing in.

use super::{Level, Report};
use crate::config::Config;
use crate::infra::causes::causes;
use crate::infra::providers::{Away, Checkup, Provider, Providers};
use crate::kernel::clock::Clock;

const ABOUT: &str = "providers";
/// How far a provider's clock may be off: ID tokens are taken that much too early or too late.
const CLOCK_SECONDS_MAX: i64 = 30;

pub(super) async fn check(report: &mut Report, config: &Config) {
    let settings = config.providers.clone();
    let providers = match Providers::new(settings, &config.public_url, Clock::system()) {
        Ok(providers) => providers,
        Err(error) => {
            let advice = "install the certificates of public authorities (ca-certificates)";
            report.add(Level::Problem, ABOUT, causes(&error), advice);
            return;
        }
    };
    for provider in providers.all() {
        one(report, provider, &provider.check().await);
        if provider.is_trusted() && config.mail.is_none() {
            let id = provider.id();
            let message =
                format!("{id} is trusted, but the server sends no mail to verify addresses");
            let advice = "set SMTP_URL, or do not trust the provider: a sign-in with it takes the address from an \
                          account that has not verified it";
            report.add(Level::Warning, ABOUT, message, advice);
        }
    }
}

fn one(report: &mut Report, provider: &Provider, checkup: &Checkup) {
    let id = provider.id();
    let redirect_uri = provider.redirect_uri();
    report.ok(ABOUT, format!("{id}: the redirect URI to register there is {redirect_uri}"));
    match &checkup.metadata {
        Ok(()) => report.ok(ABOUT, format!("{id} answers")),
        Err(away) => problem(report, id, away),
    }
    match &checkup.keys {
        None => {}
        Some(Ok(0)) => {
            let message = format!("{id} has no key with which this server can verify ID tokens");
            let advice = "configure the provider to sign with RS256, PS256, ES256 or EdDSA";
            report.add(Level::Problem, ABOUT, message, advice);
        }
        Some(Ok(count)) => report.ok(ABOUT, format!("{id} publishes {count} keys for ID tokens")),
        Some(Err(away)) => problem(report, id, away),
    }
    match checkup.client_secret {
        None => {}
        Some(true) => report.ok(ABOUT, format!("{id}: the key can sign the client secret")),
        Some(false) => problem(report, id, &Away::ClientSecret),
    }
    let apart = checkup.clock_ahead.map_or(0, |ahead| ahead.num_seconds().abs());
    if apart > CLOCK_SECONDS_MAX {
        let message = format!("the clock of {id} differs from this machine's by {apart} s");
        report.add(Level::Warning, ABOUT, message, "synchronize the clock of this machine (NTP)");
    }
}

fn problem(report: &mut Report, id: &str, away: &Away) {
    let advice = match away {
        Away::OtherIssuer => {
            "copy issuer from ISSUER/.well-known/openid-configuration into PROVIDERS_FILE"
        }
        Away::PrivateAddress => {
            "set allow_private_addresses = true in its table, if it is on your own network"
        }
        Away::ClientSecret => "check team_id, key_id and private_key_file",
        Away::Insecure | Away::InsecureEndpoint => "use only https URLs",
        Away::Slow
        | Away::Unreachable(_)
        | Away::Redirect
        | Away::Status(_)
        | Away::TooLong
        | Away::ContentType
        | Away::Nonsense(_)
        | Away::Keys
        | Away::UnknownClient => {
            "check its table in PROVIDERS_FILE, and whether this machine can reach it"
        }
    };
    report.add(Level::Problem, ABOUT, format!("{id}: {}", causes(away)), advice);
}
