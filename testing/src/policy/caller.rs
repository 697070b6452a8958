//! The kinds of callers that a rule tells apart.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Field, Rule};
use crate::organizations::{act_in, found_organization, join_organization};
use crate::{SignedIn, TestApp};

/// Who calls.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    /// Without a token.
    Anonymous,
    /// With a token that no server signed.
    Forged,
    /// An admin whose token has expired.
    Expired,
    /// Signed in, and nothing else.
    User,
    /// Was an admin until the account was deactivated.
    Deactivated,
    /// Was an admin until their role was lowered.
    Demoted,
    /// A user who signed in long ago.
    Stale,
    /// A user who was granted one permission.
    Holder(String),
    /// Acts in an organization as a member.
    Member,
    /// Acts in an organization as an admin of it.
    OrganizationAdmin,
    /// An admin of the server.
    Admin,
    /// An admin of the server who signed in long ago.
    StaleAdmin,
}

impl Caller {
    /// All kinds of callers that these fields tell apart: each permission that one of them asks for has
    /// a holder, and there is always a holder of another one.
    pub fn all(fields: &[Field]) -> Vec<Self> {
        let rules = fields.iter().flat_map(|field| &field.rules);
        let asked = rules.filter_map(|rule| match rule {
            Rule::Permission(permission) => Some(permission.clone()),
            Rule::Public | Rule::SignedIn | Rule::Admin | Rule::OrganizationAdmin => None,
        });
        let of_the_core = ["USERS_READ", "AUDIT_READ"].map(str::to_owned);
        let permissions: BTreeSet<_> = asked.chain(of_the_core).collect();
        let mut callers = vec![
            Self::Anonymous,
            Self::Forged,
            Self::Expired,
            Self::User,
            Self::Deactivated,
            Self::Demoted,
            Self::Stale,
            Self::Member,
            Self::OrganizationAdmin,
            Self::Admin,
            Self::StaleAdmin,
        ];
        callers.extend(permissions.into_iter().map(Self::Holder));
        callers
    }

    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Stale | Self::StaleAdmin)
    }

    /// The code that a rule refuses this caller with, if it does.
    pub(super) fn refusal(&self, rule: &Rule) -> Option<&'static str> {
        match (rule, self) {
            (Rule::Public, _) => None,
            (_, Self::Anonymous | Self::Forged | Self::Expired | Self::Deactivated) => {
                Some("UNAUTHENTICATED")
            }
            (Rule::SignedIn, _)
            | (Rule::Permission(_) | Rule::Admin, Self::Admin | Self::StaleAdmin)
            | (Rule::OrganizationAdmin, Self::OrganizationAdmin) => None,
            (Rule::Permission(asked), Self::Holder(held)) if asked == held => None,
            (Rule::Permission(_) | Rule::Admin | Rule::OrganizationAdmin, _) => Some("FORBIDDEN"),
        }
    }

    /// The access token of a new caller of this kind, called `caller`.
    pub async fn bearer(&self, app: &TestApp) -> Option<String> {
        Some(match self {
            Self::Anonymous => return None,
            Self::Forged => "e30.e30.AAAA".to_owned(),
            Self::Expired => {
                let user = app.admin("caller").await;
                app.clock.advance(Duration::from_secs(906));
                user.access
            }
            Self::User => app.register("caller").await.access,
            Self::Admin => app.admin("caller").await.access,
            Self::Member => acting(app, "MEMBER").await,
            Self::OrganizationAdmin => acting(app, "ADMIN").await,
            Self::Holder(permission) => app.granted("caller", permission).await.access,
            Self::Stale => long_ago(app, app.register("caller").await).await,
            Self::StaleAdmin => long_ago(app, app.admin("caller").await).await,
            Self::Deactivated => {
                changed(app, |id| format!("deactivateUser(input: {{ id: \"{id}\" }})")).await
            }
            Self::Demoted => {
                changed(app, |id| format!("setUserRole(input: {{ id: \"{id}\", role: USER }})"))
                    .await
            }
        })
    }
}

async fn acting(app: &TestApp, role: &str) -> String {
    let (owner, user) = (app.register("founder").await, app.register("caller").await);
    let organization = found_organization(app, &owner).await;
    join_organization(app, &owner, &organization, &user, role).await;
    act_in(app, &user, &organization).await.access
}

async fn long_ago(app: &TestApp, user: SignedIn) -> String {
    app.clock.advance(Duration::from_secs(301));
    // Refreshing is no sign-in.
    let refreshed = app.refresh(&user.refresh).await.data();
    refreshed["refreshToken"]["accessToken"].as_str().unwrap().to_owned()
}

/// An admin, whom another one changes after they have been seen.
async fn changed(app: &TestApp, call: impl Fn(&str) -> String) -> String {
    let (user, boss) = (app.admin("caller").await, app.admin("boss").await);
    app.query("{ me { id } }", &user.access).await.data();
    app.mutate(&boss, &format!("{} {{ user {{ id }} }}", call(&user.id))).await.data();
    user.access
}
