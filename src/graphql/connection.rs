//! The one Relay connection of all lists.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaField, MetaTypeId, ObjectBuilder, Registry};
use async_graphql::resolver_utils::{ContainerType, resolve_container, resolve_simple_field_value};
use async_graphql::{
    Context, ContextSelectionSet, Error, OutputType, Positioned, ServerResult, SimpleObject,
    TypeName, Value,
};
use portcullis_macros::Row;

use super::error::Result;
use super::page::{Beyond, Cursor, Key, PageInfo};
use super::row::{Row, resolve_rows};
use crate::kernel::page::{Page, Part};

/// Where the pages of a list come from.
pub trait Source: Send + Sync + 'static {
    /// What its entries are.
    type Node: Row;
    /// What the list's order compares before the id.
    type Key: Key;
    /// Whether clients can ask how long the list is.
    const IS_COUNTED: bool = true;

    /// Whether anything stands beyond a place. Only asked where the page does not show it.
    fn reaches(
        &self,
        ctx: &Context<'_>,
        beyond: Beyond<'_, Self::Key>,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// How many entries the list has, whatever the page. Only asked of lists that are counted.
    fn count(&self, _: &Context<'_>) -> impl Future<Output = Result<u64>> + Send {
        async { Ok(0) }
    }
}

/// An entry of a list with its cursor.
#[derive(SimpleObject, Row)]
#[graphql(name_type)]
pub(crate) struct Edge<S: Source> {
    /// The entry.
    node: S::Node,
    /// An opaque cursor that marks the entry's position in the list.
    cursor: Cursor<S::Key>,
}

impl<S: Source> Edge<S> {
    pub(crate) fn new(node: S::Node, cursor: Cursor<S::Key>) -> Self {
        Self { node, cursor }
    }
}

impl<S: Source> TypeName for Edge<S> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", S::Node::type_name()).into()
    }
}

/// A page of a list.
pub struct Connection<S: Source> {
    source: S,
    part: Part<Cursor<S::Key>>,
    edges: Vec<Edge<S>>,
    /// Whether there is more on the side that the page was read towards.
    has_more: bool,
}

impl<S: Source> Connection<S> {
    pub(crate) fn new<T>(
        source: S,
        part: Part<Cursor<S::Key>>,
        page: Page<T>,
        edge: impl FnMut(T) -> Edge<S>,
    ) -> Self {
        let edges = page.rows.into_iter().map(edge).collect();
        Self { source, part, edges, has_more: page.has_more }
    }

    async fn page_info(&self, ctx: &Context<'_>) -> Result<PageInfo> {
        let asked = ctx.look_ahead();
        let cursor = |edge: Option<&Edge<S>>| Some(edge?.cursor.to_string());
        let mut page = PageInfo {
            has_next_page: false,
            has_previous_page: false,
            start_cursor: cursor(self.edges.first()),
            end_cursor: cursor(self.edges.last()),
        };
        if asked.field("hasNextPage").exists() {
            page.has_next_page = self.reaches(ctx, false).await?;
        }
        if asked.field("hasPreviousPage").exists() {
            page.has_previous_page = self.reaches(ctx, true).await?;
        }
        Ok(page)
    }

    /// Whether anything stands before the page, or else after it. That is known on the side that the page was read
    /// towards, and on a side without a cursor.
    async fn reaches(&self, ctx: &Context<'_>, is_before: bool) -> Result<bool> {
        if is_before == self.part.from_end && self.has_more {
            return Ok(true);
        }
        let bound = if is_before { &self.part.after } else { &self.part.before };
        let Some(bound) = bound else { return Ok(false) };
        let edge = if is_before { self.edges.first() } else { self.edges.last() };
        // Of an empty page the bound itself counts: it may stand there still.
        let (place, inclusive) = edge.map_or((bound, true), |edge| (&edge.cursor, false));
        self.source.reaches(ctx, Beyond { place, is_before, inclusive }).await
    }
}

impl<S: Source> ContainerType for Connection<S> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        let failed = |error| ctx.set_error_path(Error::from(error).into_server_error(ctx.item.pos));
        match ctx.item.node.name.node.as_str() {
            "edges" => resolve_rows(ctx, self.edges.iter()).await.map(Some),
            "nodes" => resolve_rows(ctx, self.edges.iter().map(|edge| &edge.node)).await.map(Some),
            "pageInfo" => {
                let page = self.page_info(ctx).await.map_err(failed)?;
                resolve_simple_field_value(ctx, &page).await
            }
            "totalCount" => {
                let count = self.source.count(ctx).await.map_err(failed)?;
                Ok(Some(count.into()))
            }
            _ => Ok(None),
        }
    }
}

impl<S: Source> OutputType for Connection<S> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", S::Node::type_name()).into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Object, |registry| {
            let mut fields = vec![
                (
                    "edges",
                    "The entries of this page with their cursors.",
                    Vec::<Edge<S>>::create_type_info(registry),
                ),
                ("nodes", "The entries of this page.", Vec::<S::Node>::create_type_info(registry)),
                (
                    "pageInfo",
                    "The position of this page in the list.",
                    PageInfo::create_type_info(registry),
                ),
            ];
            if S::IS_COUNTED {
                let what = "The number of entries in the whole list.";
                fields.push(("totalCount", what, u64::create_type_info(registry)));
            }
            let field = |(name, what, of): (&str, &str, String)| {
                let mut field = MetaField::new(name.to_owned(), of);
                field.description = Some(what.to_owned());
                (field.name.clone(), field)
            };
            ObjectBuilder::new(Self::type_name(), fields.into_iter().map(field).collect())
                .rust_typename(std::any::type_name::<Self>())
                .description(Some("A page of a list.".to_owned()))
                .build()
        })
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        resolve_container(ctx, self).await
    }
}
