//! Types of the schema, derived with the library that `portcullis` has: an extension names no version of it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, ItemImpl, ItemStruct, Meta, Result, parse_quote, parse2};

/// Where the derived code finds the library.
fn library() -> TokenStream {
    quote!(crate = "::portcullis::async_graphql")
}

/// An object whose fields stand in its rows.
pub(crate) fn object(of: TokenStream) -> Result<TokenStream> {
    let derive = quote!(
        ::portcullis::async_graphql::SimpleObject,
        ::portcullis::prelude::Row,
        ::core::clone::Clone
    );
    shape(of, &derive)
}

/// What a mutation takes.
pub(crate) fn input(of: TokenStream) -> Result<TokenStream> {
    shape(of, &quote!(::portcullis::async_graphql::InputObject))
}

fn shape(of: TokenStream, derive: &TokenStream) -> Result<TokenStream> {
    let mut shape: ItemStruct = parse2(of)?;
    let library = library();
    shape.attrs.insert(0, parse_quote!(#[derive(#derive)]));
    shape.attrs.push(parse_quote!(#[graphql(#library)]));
    Ok(shape.into_token_stream())
}

/// Tells the attribute of the library that stands below ours where it finds the library.
pub(crate) fn of_library(resolvers: &mut ItemImpl) {
    let library = library();
    for attribute in &mut resolvers.attrs {
        let name = attribute.path().segments.last().map(|last| last.ident.to_string());
        if !matches!(name.as_deref(), Some("Object" | "ComplexObject")) {
            continue;
        }
        let path = attribute.path().clone();
        let told: Attribute = match &attribute.meta {
            Meta::List(list) => {
                let arguments = &list.tokens;
                parse_quote!(#[#path(#arguments, #library)])
            }
            _ => parse_quote!(#[#path(#library)]),
        };
        *attribute = told;
    }
}
