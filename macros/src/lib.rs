//! What the schema would say twice: [`macro@rules`], the rule of a field, and [`macro@Row`], which fields of an object
//! stand in its rows; and the types of an extension, [`macro@object`] and [`macro@input`].

mod expand;
mod mutation;
mod owned;
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
///     #[payload(deleted_note_id = "The id of the deleted note.")]
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
/// | `#[fresh(if_second_factor)]` | the same, asked only of accounts with a second factor |
/// | `#[needs(Mail)]` | nobody, unless the server offers each `ServerFeature` named |
///
/// `#[member(Admin)]` says which role callers need at least in the organization that the field is about, which is known to the
/// resolver's feature: the body hands it the role, as `least`.
///
/// `#[owner]` says that what the input names is the caller's own: the body hands its feature `owner.of(id)`. `#[owner(Entity)]`
/// adds that the permission of an entity opens the rows of everybody. Above a field of an object, `#[owner]` asks before the body
/// whether the caller owns the object. `#[covers]` says that the caller's rights cover those of whom the field is about, and
/// `#[covers(others)]` that it is not about the caller: the body hands the rule to its feature, as `covers`.
///
/// `#[limit(A, B)]` names the limits that the resolver's feature counts under, and has the body hand them to it: there they
/// are `limits`, a reference to each. With `#[rules(query)]`, `#[rules(mutation)]` and
/// `#[rules(subscription)]` the type is a root, whose fields all need a rule. A field of a subscription is resolved for each event, and
/// once before, as the stream opens, when it returns `None`. A mutation of signed-in callers counts in
/// their budget of changes, unless `#[defence]` says that people need it to defend themselves.
///
/// A mutation has one argument `input` and a payload of its own: its parameters become the fields of `DeleteNoteInput`, and
/// `#[payload(…)]` names the fields of `DeleteNotePayload` and says what they are, one for what the resolver returns, or one for each
/// part of the tuple. A resolver that takes an `input` alone, or returns a type whose name ends in `Payload` or `Result`, keeps it.
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
///
/// `#[object(entity::Model)]` also says which entity it shows (`Shown`), and makes it of a row: each field of the column
/// of the same name, by `Into`. An object that is made in another way has its own `impl` of `From` and `Shown`.
#[proc_macro_attribute]
pub fn object(model: TokenStream, of: TokenStream) -> TokenStream {
    shape::object(model.into(), of.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Declares a table whose rows have an owner, as SeaORM and Portcullis know it. It stands above a struct `Model` with the
/// columns that are the entity's own; `portcullis::entity::prelude` must be in scope.
///
/// ```text
/// #[owned(
///     table = "notes",
///     id = NoteId,
///     label = title,
///     in_organizations,
///     read_all = NOTES_READ_ALL,
///     write_all = NOTES_WRITE_ALL,
///     events(NOTE_CREATED, NOTE_UPDATED, NOTE_DELETED)
/// )]
/// pub struct Model {
///     pub title: String,
/// }
/// ```
///
/// | argument | what it means |
/// |---|---|
/// | `table` | the name of the table; in camelCase, also the list of an export that holds its rows |
/// | `id` | the type of ids, which `portcullis::id!` declares |
/// | `label` | the column by which its owner recognizes a row, which is never null |
/// | `in_organizations` | a row belongs to the organization that it was made in; without it, to its owner alone |
/// | `read_all`, `write_all` | the permissions to see and to change the rows of everybody; without them nobody may |
/// | `events` | the kinds of audit events of a row that is made, changed and deleted |
///
/// It adds the columns `id`, `owner_id`, `created_at`, `updated_at`, and with `in_organizations` also `organization_id`:
/// those that `OwnedTable` makes.
#[proc_macro_attribute]
pub fn owned(arguments: TokenStream, model: TokenStream) -> TokenStream {
    owned::owned(arguments.into(), model.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
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
