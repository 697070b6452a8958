//! What is in an account that was taken back, in the schema.

use async_graphql::{Context, Object, SimpleObject};
use portcullis_macros::rules;

use super::User;
use crate::features::accounts::{Accounts, Decision, leftovers};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::Result;

/// The contents of an account from before its owner reclaimed it.
#[derive(SimpleObject)]
pub(crate) struct Leftovers {
    /// When the owner reclaimed the account by choosing a password through a mailed link.
    taken_back_at: DateTime,
    /// The leftovers by kind.
    kinds: Vec<Leftover>,
}

/// The leftovers of one kind.
#[derive(SimpleObject)]
pub(crate) struct Leftover {
    /// The kind, as named in the data of exportMyData: for example "organizations" or "tasks".
    kind: &'static str,
    /// The names of the objects: at most 100.
    names: Vec<String>,
}

impl From<leftovers::Leftovers> for Leftovers {
    fn from(found: leftovers::Leftovers) -> Self {
        let kind =
            |leftover: leftovers::Leftover| Leftover { kind: leftover.kind, names: leftover.names };
        Self {
            taken_back_at: found.taken_back_at.into(),
            kinds: found.kinds.into_iter().map(kind).collect(),
        }
    }
}

#[derive(Default)]
pub(crate) struct LeftoverMutation;

#[rules(mutation)]
#[Object]
impl LeftoverMutation {
    /// Keeps the leftovers in the caller's account: see User.leftovers.
    #[auth]
    #[payload(
        user = "The caller.",
        had_leftovers = "Whether the account had leftovers to decide about."
    )]
    async fn keep_leftovers(&self, ctx: &Context<'_>) -> Result<(User, bool)> {
        decide(ctx, Decision::Keep).await
    }

    /// Discards the account's leftovers: removes the caller from all organizations that they joined before they
    /// reclaimed the account, and deletes the other leftovers. If the caller is the only owner of an organization,
    /// another member becomes its owner; without other members, the organization is deleted.
    #[auth]
    #[fresh]
    #[payload(
        user = "The caller.",
        had_leftovers = "Whether the account had leftovers to decide about."
    )]
    async fn drop_leftovers(&self, ctx: &Context<'_>) -> Result<(User, bool)> {
        decide(ctx, Decision::Drop).await
    }
}

async fn decide(ctx: &Context<'_>, decision: Decision) -> Result<(User, bool)> {
    let had_any = ctx.service::<Accounts>().decide_leftovers(ctx.acting()?, decision).await?;
    Ok((User::from(&*ctx.viewer()?.user), had_any))
}
