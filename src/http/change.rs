//! What a mutation of a signed-in caller passes before it runs.

use async_graphql::parser::types::Selection;

use crate::app::App;
use crate::graphql::budget::BUDGET;
use crate::graphql::document::{PROVIDER_MUTATIONS, Scanned};
use crate::graphql::error::ApiError;
use crate::graphql::lanes::{Turn, Writer};
use crate::infra::metrics::Operation;
use crate::infra::threads::NoThread;
use crate::kernel::access::{self, Authentication, Origin, Refused};

/// Has a mutation counted under what its caller may change, and waits for its turn. Anything else passes.
pub(super) async fn admit<'a>(
    app: &'a App,
    origin: &Origin,
    authentication: &Authentication,
    scanned: &Scanned,
) -> Result<Result<Option<Turn<'a>>, ApiError>, NoThread> {
    let viewer = match authentication {
        Authentication::Viewer(viewer) if scanned.operation == Operation::Mutation => viewer,
        Authentication::Viewer(_) | Authentication::Anonymous(_) => return Ok(Ok(None)),
    };
    let (count, waits_for_provider) = asked(app, scanned);
    if count == 0 && waits_for_provider {
        return Ok(Ok(None));
    }
    if count == 0 {
        return app
            .lanes
            .writers
            .turn(Writer::Defender(viewer.session_id))
            .await
            .map(|turn| Ok(Some(turn)));
    }
    let budget = [BUDGET.of(viewer.user.id)];
    if let Err(limited) = app.limits.take_times(budget, count).await {
        let refusal = access::Refusal { refused: Refused::Rate, target: None };
        app.refusals.tell(refusal, Some(viewer), origin);
        return Ok(Err(limited.into()));
    }
    if waits_for_provider {
        return Ok(Ok(None));
    }
    app.lanes.writers.turn(Writer::Account(viewer.user.id)).await.map(|turn| Ok(Some(turn)))
}

/// How much of the budget a mutation takes, and whether all that it does is to wait for a provider.
fn asked(app: &App, scanned: &Scanned) -> (u32, bool) {
    let fields = scanned.document.operations.iter().flat_map(|(_, operation)| {
        let items = operation.node.selection_set.node.items.iter();
        items.filter_map(|item| match &item.node {
            Selection::Field(field) => Some(field.node.name.node.as_str()),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
        })
    });
    let waits_for_provider = fields.clone().all(|field| PROVIDER_MUTATIONS.contains(&field));
    (app.schema.policy.count_budgeted(fields), waits_for_provider)
}
