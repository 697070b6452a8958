//! What the schema would say twice: [`macro@rules`], the rule of a field, and [`macro@Row`], which fields of an object
//! stand in its rows; and the types of an extension, [`macro@object`] and [`macro@input`].

mod expand;
mod row;
mod rule;
mod shape;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// States the rules of the resolvers in an `impl` block. It stands above `#[Object]` or `#[ComplexObject]`.
///
/// ```text
/// #[rules(mutation)]
/// #[Object]
/// impl NoteMutation {
///     /// Deletes a note.
///     #[auth(permission = NOTES_WRITE)]
///     #[fresh]
///     async fn delete_note(&self, ctx: &Context<'_>, id: ID) -> Result<ID> { … }
/// }
/// ```
///
/// | attribute of a resolver | who may resolve the field |
/// |---|---|
/// | `#[public]` | anybody |
/// | `#[auth]` | signed-in callers |
/// | `#[auth(role = Admin)]` | callers who have at least this role |
/// | `#[auth(permission = USERS_READ)]` | callers who have this permission, a constant in scope |
/// | `#[auth(organization_role = Admin)]` | callers who have at least this role in the organization that they act in |
/// | `#[fresh]` | of those, callers who proved lately who they are |
///
/// `#[limit(A, B)]` names the limits that the resolver's feature counts under. With `#[rules(query)]` and
/// `#[rules(mutation)]` the type is a root, whose fields all need a rule. A mutation of signed-in callers counts in
/// their budget of changes, unless `#[defence]` says that people need it to defend themselves.
///
/// From one statement come the check in front of the resolver's body and the directives of the field, and from those
/// its description, introspection and `viewer { can }`. A field with a rule is nullable and carries
/// `@semanticNonNull`, so that a refused field leaves its siblings alone.
///
/// A parameter of the type `Window` becomes the four arguments of a page.
#[proc_macro_attribute]
pub fn rules(of: TokenStream, resolvers: TokenStream) -> TokenStream {
    expand::expand(of.into(), resolvers.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes an object of the schema of a struct: each field is one, with its doc comment as its description.
///
/// It derives `SimpleObject`, [`macro@Row`] and `Clone`. A struct with a `ComplexObject` beside it takes
/// `#[graphql(complex)]`; `#[graphql(skip)]` leaves a field out of the schema.
#[proc_macro_attribute]
pub fn object(_: TokenStream, of: TokenStream) -> TokenStream {
    shape::object(of.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an input of the schema of a struct: each field is one, with its doc comment as its description.
#[proc_macro_attribute]
pub fn input(_: TokenStream, of: TokenStream) -> TokenStream {
    shape::input(of.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives `Row` for an object, so that lists of it are written by a plan. It stands beside `SimpleObject`.
///
/// Each field of the struct becomes a field that needs no future. One with an attribute `#[graphql(…)]` does not:
/// the library resolves it, with whatever the attribute says, as it does the fields of a `ComplexObject`.
#[proc_macro_derive(Row)]
pub fn row(of: TokenStream) -> TokenStream {
    let input = parse_macro_input!(of as DeriveInput);
    row::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
