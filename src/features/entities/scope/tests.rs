use sea_orm::sea_query::Expr;
use sea_orm::{DbBackend, EntityTrait, ExprTrait, QueryTrait};

use super::*;
use crate::tables::session::{Column, Entity};

/// Whatever an extension asks for stands in parentheses beside the scope.
#[test]
fn a_filter_narrows_a_scope_and_never_leaves_it() {
    let scope = Condition::all().add(Column::Id.is_null());
    for (filter, sql) in [
        (Expr::cust("TRUE OR TRUE").into_condition(), "(TRUE OR TRUE)"),
        (
            Column::Id.is_null().or(Column::Id.is_not_null()).into_condition(),
            "(\"sessions\".\"id\" IS NULL OR \"sessions\".\"id\" IS NOT NULL)",
        ),
        (
            Condition::any().add(Expr::cust("TRUE OR TRUE")).add(Column::Id.is_null()),
            "((TRUE OR TRUE) OR \"sessions\".\"id\" IS NULL)",
        ),
        // None of none.
        (Condition::any(), "FALSE"),
    ] {
        let whole = narrowed(scope.clone(), filter);
        let select = Entity::find().filter(whole).build(DbBackend::Postgres).sql;
        let (_, condition) = select.split_once(" WHERE ").unwrap();
        assert_eq!(condition, format!("\"sessions\".\"id\" IS NULL AND {sql}"));
    }
}
