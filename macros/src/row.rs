//! Derives `Row`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Result};

/// What may stand in `#[graphql(…)]` above the struct. Anything else, a guard for one, would not be heeded.
const HARMLESS: [&str; 3] = ["complex", "crate", "name_type"];

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "a row must be a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "the fields of a row must have names"));
    };
    for attribute in input.attrs.iter().filter(|attribute| is_graphql(attribute)) {
        attribute.parse_nested_meta(|meta| {
            match HARMLESS.iter().any(|one| meta.path.is_ident(one)) {
                true => meta.input.parse::<TokenStream>().map(drop),
                false => Err(meta.error("a row ignores this: remove it")),
            }
        })?;
    }
    let plain = fields.named.iter().filter(|field| !field.attrs.iter().any(is_resolved));
    let arms = plain.filter_map(|field| field.ident.as_ref()).map(|ident| {
        let name = camel_case(&ident.unraw().to_string());
        quote!(#name => ::portcullis::expansion::row::Fill::of(field, |row: &Self| &row.#ident))
    });
    let (ident, (generics, arguments, bounds)) = (&input.ident, input.generics.split_for_impl());
    Ok(quote! {
        impl #generics ::portcullis::expansion::row::Row for #ident #arguments #bounds {
            fn fill(
                field: &::portcullis::async_graphql::Positioned<::portcullis::async_graphql::parser::types::Field>,
            ) -> ::std::option::Option<::portcullis::expansion::row::Fill<'_, Self>> {
                match field.node.name.node.as_str() {
                    #(#arms,)*
                    _ => ::std::option::Option::Some(::portcullis::expansion::row::Fill::Late(field)),
                }
            }
        }
    })
}

fn is_graphql(attribute: &Attribute) -> bool {
    attribute.path().is_ident("graphql")
}

/// Whether an attribute says how a field is resolved. A directive alone says what clients read of it.
fn is_resolved(attribute: &Attribute) -> bool {
    let mut is_resolved = false;
    let read = attribute.parse_nested_meta(|meta| {
        is_resolved |= !meta.path.is_ident("directive");
        meta.value()?.parse::<syn::Expr>().map(drop)
    });
    is_graphql(attribute) && (is_resolved || read.is_err())
}

/// A field's name as the library makes it.
pub(crate) fn camel_case(snake_case: &str) -> String {
    let mut words = snake_case.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        name + &head.to_uppercase() + tail
    })
}
