//! Users in lists: which fields of theirs are in the row.

use async_graphql::parser::types::Field;
use async_graphql::resolver_utils::enum_value;
use async_graphql::{ScalarType, Value};

use crate::graphql::date_time::DateTime;
use crate::graphql::directive;
use crate::graphql::row::{Fill, Plan, Shape};
use crate::kernel::access::{Language, Role, User};

use super::super::listing::Order;
use super::connection::cursor_of;

/// A `User`.
pub(super) struct UserShape;

impl Shape for UserShape {
    type Row = User;
    const TYPE: &'static str = "User";

    fn fill(&self, field: &Field) -> Option<Fill<User>> {
        Some(match field.name.node.as_str() {
            "id" => Box::new(|user| user.id.to_string().into()),
            "username" => Box::new(|user| user.username.as_str().into()),
            "email" => Box::new(|user| user.email.as_str().into()),
            "emailVerified" => Box::new(|user| user.email_verified.into()),
            "fullName" => {
                Box::new(|user| user.full_name.as_deref().map_or(Value::Null, Value::from))
            }
            "locale" => {
                let [english, german] =
                    [directive::Locale::English, directive::Locale::German].map(enum_value);
                Box::new(move |user| match user.locale {
                    Language::English => english.clone(),
                    Language::German => german.clone(),
                })
            }
            "role" => {
                let [ordinary, admin] =
                    [directive::Role::User, directive::Role::Admin].map(enum_value);
                Box::new(move |user| match user.role {
                    Role::User => ordinary.clone(),
                    Role::Admin => admin.clone(),
                })
            }
            "isActive" => Box::new(|user| user.is_active.into()),
            "createdAt" => Box::new(|user| DateTime::from(user.created_at).to_value()),
            "updatedAt" => Box::new(|user| DateTime::from(user.updated_at).to_value()),
            "lastLoginAt" => Box::new(|user| {
                user.last_login_at.map_or(Value::Null, |time| DateTime::from(time).to_value())
            }),
            _ => return None,
        })
    }
}

/// A `UserEdge` of a list in this order.
pub(super) struct EdgeShape(pub(super) Order);

impl Shape for EdgeShape {
    type Row = User;
    const TYPE: &'static str = "UserEdge";

    fn fill(&self, field: &Field) -> Option<Fill<User>> {
        Some(match field.name.node.as_str() {
            "node" => {
                let plan = Plan::of(&UserShape, &field.selection_set.node)?;
                Box::new(move |user| plan.value(user))
            }
            "cursor" => {
                let order = self.0;
                Box::new(move |user| cursor_of(order, user).into())
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
