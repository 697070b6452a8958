//! What is in an account that was taken back, in the schema.

use async_graphql::{Context, Object, SimpleObject};
use portcullis_macros::rules;

use super::User;
use crate::features::accounts::{Accounts, Decision, leftovers};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::Result;

/// What an account has from before it was taken back.
#[derive(SimpleObject)]
pub(crate) struct Leftovers {
    /// When another password was chosen by mail.
    taken_back_at: DateTime,
    /// What there is, by kind.
    kinds: Vec<Leftover>,
}

/// What there is of one kind.
#[derive(SimpleObject)]
pub(crate) struct Leftover {
    /// The kind, as exportMyData calls it: "organizations", "tasks".
    kind: &'static str,
    /// What each is called; a hundred at most.
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
    /// Keeps what is in the caller's account from before it was taken back.
    #[auth]
    #[payload(user = "The caller.", had_leftovers = "Whether there was anything to decide.")]
    async fn keep_leftovers(&self, ctx: &Context<'_>) -> Result<(User, bool)> {
        decide(ctx, Decision::Keep).await
    }

    /// Takes the caller out of all organizations that they belong to from before their account was taken
    /// back, and deletes what else there is of that. An organization that they alone own goes to another member, or is deleted.
    #[auth]
    #[fresh]
    #[payload(user = "The caller.", had_leftovers = "Whether there was anything to decide.")]
    async fn drop_leftovers(&self, ctx: &Context<'_>) -> Result<(User, bool)> {
        decide(ctx, Decision::Drop).await
    }
}

async fn decide(ctx: &Context<'_>, decision: Decision) -> Result<(User, bool)> {
    let had_any = ctx.service::<Accounts>().decide_leftovers(ctx.acting()?, decision).await?;
    Ok((User::from(&*ctx.viewer()?.user), had_any))
}
