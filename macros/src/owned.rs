//! The attribute `owned`: a table whose rows have an owner, declared once.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Fields, Ident, ItemStruct, LitStr, Path, Result, Token, Type, parse_quote,
    parse2,
};

use super::row::camel_case;
use super::shape::is_option;

/// The columns that every row has, made here and by `OwnedTable`.
const MADE: [&str; 5] = ["id", "owner_id", "organization_id", "created_at", "updated_at"];

/// What is said of an argument that is not one of these, or is given again.
const KEYS: &str = "`#[owned]` takes `table`, `id`, `label`, `in_organizations`, `read_all`, `write_all` and `events`, each once";

/// The arguments of the attribute.
struct Declared {
    table: LitStr,
    id: Path,
    label: Ident,
    in_organizations: bool,
    read_all: Option<Path>,
    write_all: Option<Path>,
    created: Path,
    updated: Path,
    deleted: Path,
}

pub(crate) fn owned(arguments: TokenStream, of: TokenStream) -> Result<TokenStream> {
    let mut model: ItemStruct = parse2(of)?;
    let declared = Declared::parse(arguments)?;
    let own = columns(&model)?;
    match own.iter().find(|(name, _)| *name == declared.label) {
        None => {
            return Err(Error::new(declared.label.span(), "the struct does not have this field"));
        }
        Some((_, of)) if is_option(of) => {
            return Err(Error::new(declared.label.span(), "the label must not be optional"));
        }
        Some(_) => {}
    }
    let implementation = declared.owned();
    complete(&mut model, &declared);
    Ok(quote! {
        #model

        impl ::portcullis::sea_orm::ActiveModelBehavior for ActiveModel {}

        #implementation
    })
}

/// The columns that the struct declares.
fn columns(model: &ItemStruct) -> Result<Vec<(Ident, Type)>> {
    if model.ident != "Model" {
        return Err(Error::new(
            model.ident.span(),
            "SeaORM requires the name Model for this struct",
        ));
    }
    let Fields::Named(fields) = &model.fields else {
        return Err(Error::new(model.ident.span(), "the columns of a table must have names"));
    };
    let own =
        fields.named.iter().filter_map(|field| Some((field.ident.clone()?, field.ty.clone())));
    let own: Vec<_> = own.collect();
    match own.iter().find(|(own, _)| MADE.iter().any(|made| own == made)) {
        Some((made, _)) => {
            Err(Error::new(made.span(), "`#[owned]` adds this column: remove the field"))
        }
        None => Ok(own),
    }
}

/// Makes the model that SeaORM knows.
fn complete(model: &mut ItemStruct, declared: &Declared) {
    let Declared { table, id, .. } = declared;
    // Above what stands there already, which `model` and the derived code are to see.
    let attributes: [Attribute; 3] = [
        parse_quote!(#[sea_orm::model]),
        parse_quote!(#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]),
        parse_quote!(#[sea_orm(table_name = #table)]),
    ];
    model.attrs.splice(..0, attributes);
    let organization = declared.in_organizations.then(|| {
        quote! {
            /// The organization that it was made in, if it was made in one.
            pub organization_id: ::std::option::Option<::portcullis::OrganizationId>,
        }
    });
    let Fields::Named(fields) = &mut model.fields else { return };
    let own = std::mem::take(&mut fields.named);
    let own = own.iter();
    *fields = parse_quote!({
        /// The id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: #id,
        /// Whose it is.
        pub owner_id: ::portcullis::UserId,
        #organization
        #(#own,)*
        /// When it was made.
        pub created_at: ::portcullis::sea_orm::prelude::DateTimeUtc,
        /// When it was last changed.
        pub updated_at: ::portcullis::sea_orm::prelude::DateTimeUtc,
    });
}

impl Declared {
    fn parse(arguments: TokenStream) -> Result<Self> {
        let whole = arguments.span();
        let (mut table, mut id, mut label, mut events) = (None, None, None, None);
        let mut named = whole;
        let (mut read_all, mut write_all, mut in_organizations) = (None, None, false);
        let mut seen = BTreeSet::new();
        let parser = syn::meta::parser(|meta| {
            let Some(name) = meta.path.get_ident().map(ToString::to_string) else {
                return Err(meta.error(KEYS));
            };
            if !seen.insert(name.clone()) {
                return Err(meta.error(KEYS));
            }
            match name.as_str() {
                "table" => table = Some(meta.value()?.parse()?),
                "id" => id = Some(meta.value()?.parse()?),
                "label" => label = Some(meta.value()?.parse()?),
                "in_organizations" => in_organizations = true,
                "read_all" => read_all = Some(meta.value()?.parse()?),
                "write_all" => write_all = Some(meta.value()?.parse()?),
                "events" => {
                    named = meta.path.span();
                    let kinds;
                    syn::parenthesized!(kinds in meta.input);
                    let kinds = Punctuated::<Path, Token![,]>::parse_terminated(&kinds)?;
                    events = Some(kinds.into_iter().collect::<Vec<_>>());
                }
                _ => return Err(meta.error(KEYS)),
            }
            Ok(())
        });
        syn::parse::Parser::parse2(parser, arguments)?;
        let missing = |what: &str| Error::new(whole, format!("`{what}` is missing"));
        let events = events.ok_or_else(|| missing("events"))?;
        let [created, updated, deleted] = <[Path; 3]>::try_from(events).map_err(|_| {
            Error::new(named, "`events` must name the events for creating, updating and deleting")
        })?;
        let table: LitStr = table.ok_or_else(|| missing("table"))?;
        let is_plain = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '_');
        if !table.value().chars().all(is_plain) {
            return Err(Error::new(table.span(), "the name of a table must be in snake_case"));
        }
        Ok(Self {
            table,
            id: id.ok_or_else(|| missing("id"))?,
            label: label.ok_or_else(|| missing("label"))?,
            in_organizations,
            read_all,
            write_all,
            created,
            updated,
            deleted,
        })
    }

    /// What Portcullis knows of the entity.
    fn owned(&self) -> TokenStream {
        let Self { id, label, created, updated, deleted, .. } = self;
        let plural = camel_case(&self.table.value());
        let organization = if self.in_organizations {
            quote!(::std::option::Option::Some(Column::OrganizationId))
        } else {
            quote!(::std::option::Option::None)
        };
        let [read_all, write_all] = [&self.read_all, &self.write_all].map(|permission| {
            let none = quote!(::std::option::Option::None);
            permission.as_ref().map_or(none, |path| {
                let path = path.to_token_stream();
                quote!(::std::option::Option::Some(#path))
            })
        });
        quote! {
            impl ::portcullis::Owned for Entity {
                type Id = #id;
                const PLURAL: &'static str = #plural;
                const OWNER: Column = Column::OwnerId;
                const ORGANIZATION: ::std::option::Option<Column> = #organization;
                const CREATED_AT: Column = Column::CreatedAt;
                const UPDATED_AT: Column = Column::UpdatedAt;
                const READ_ALL: ::std::option::Option<::portcullis::Permission> = #read_all;
                const WRITE_ALL: ::std::option::Option<::portcullis::Permission> = #write_all;
                const CREATED: ::portcullis::Kind = #created;
                const UPDATED: ::portcullis::Kind = #updated;
                const DELETED: ::portcullis::Kind = #deleted;

                fn label(row: &Model) -> ::std::string::String {
                    ::std::string::ToString::to_string(&row.#label)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(
        arguments: &TokenStream,
        fields: &TokenStream,
    ) -> std::result::Result<String, String> {
        let expanded = owned(arguments.clone(), quote!(pub struct Model { #fields }));
        expanded.map(|code| code.to_string()).map_err(|error| error.to_string())
    }

    fn arguments() -> TokenStream {
        quote!(table = "annual_reports", id = ReportId, label = title, events(A, B, C))
    }

    #[test]
    fn the_columns_that_the_server_sets_are_made_and_not_declared() {
        let alone = expand(&arguments(), &quote!(pub title: String)).unwrap();
        let arguments = arguments();
        let shared =
            expand(&quote!(#arguments, in_organizations), &quote!(pub title: String)).unwrap();
        for code in [&alone, &shared] {
            for made in ["pub id : ReportId", "owner_id", "created_at", "\"annualReports\""] {
                assert!(code.contains(made), "{made}: {code}");
            }
        }
        assert!(!alone.contains("organization_id") && !alone.contains("OrganizationId"), "{alone}");
        assert!(shared.contains("organization_id") && shared.contains("Column :: OrganizationId"));
        for made in ["id", "owner_id", "organization_id", "created_at", "updated_at"] {
            let made = Ident::new(made, proc_macro2::Span::call_site());
            let refused =
                expand(&arguments, &quote!(pub title: String, pub #made: i32)).unwrap_err();
            assert!(refused.contains("adds this column"), "{made}: {refused}");
        }
    }

    #[test]
    fn a_declaration_that_lacks_something_does_not_compile() {
        for (arguments, problem) in [
            (quote!(id = A, label = title, events(A, B, C)), "`table` is missing"),
            (quote!(table = "a", label = title, events(A, B, C)), "`id` is missing"),
            (quote!(table = "a", id = A, events(A, B, C)), "`label` is missing"),
            (quote!(table = "a", id = A, label = title), "`events` is missing"),
            (quote!(table = "a", id = A, label = title, events(A, B)), "creating, updating and"),
            (
                quote!(table = "a", id = A, label = name, events(A, B, C)),
                "does not have this field",
            ),
            (quote!(table = "a", id = A, label = note, events(A, B, C)), "must not be optional"),
            (quote!(table = "a", table = "b"), "each once"),
            (quote!(table = "A b", id = A, label = title, events(A, B, C)), "snake_case"),
            (quote!(table = "a", read_only = A), "`#[owned]` takes"),
        ] {
            let fields = quote!(pub title: String, pub note: Option<String>);
            let refused = expand(&arguments, &fields).unwrap_err();
            assert!(refused.contains(problem), "{arguments}: {refused}");
        }
    }
}
