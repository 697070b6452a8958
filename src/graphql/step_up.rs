//! What a caller can prove with again who they are.

use std::pin::Pin;
use std::sync::Arc;

use async_graphql::Context;
use sea_orm::DbErr;

use super::context::ContextExt;
use super::error::{ApiError, Code, Result};
use super::guard::FRESH_SECONDS;
use crate::kernel::access::{Factor, Viewer};

type Found = Pin<Box<dyn Future<Output = Result<Vec<Factor>, DbErr>> + Send>>;

/// Finds what would do, by a function that is handed in: this kit knows no feature. It is asked only where somebody is refused.
#[derive(Clone)]
pub(crate) struct StepUp(Arc<dyn Fn(&Viewer) -> Found + Send + Sync>);

impl StepUp {
    pub(crate) fn new(find: impl Fn(&Viewer) -> Found + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    /// The factors of the caller that would do.
    pub(crate) async fn factors(ctx: &Context<'_>) -> Result<Vec<Factor>> {
        let Self(find) = ctx.service::<Self>();
        Ok(find(ctx.viewer()?).await?)
    }

    /// What was answered; of a refusal that asks for another proof, with what would do.
    pub(crate) async fn explain<T>(
        ctx: &Context<'_>,
        answered: std::result::Result<T, impl Into<ApiError>>,
    ) -> Result<T> {
        match answered.map_err(Into::into) {
            Err(refused) if refused.code() == Code::StepUpRequired => {
                Err(Self::required(ctx, FRESH_SECONDS).await?)
            }
            answered => answered,
        }
    }

    /// The error that has the caller prove again who they are, and says with what.
    pub(crate) async fn required(ctx: &Context<'_>, max_age_seconds: u32) -> Result<ApiError> {
        Ok(ApiError::step_up(max_age_seconds, &Self::factors(ctx).await?))
    }
}
