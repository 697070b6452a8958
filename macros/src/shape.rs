//! Types of the schema, derived with the library that `portcullis` has: an extension names no version of it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Error, ItemImpl, ItemStruct, Meta, Path, Result, Type, parse_quote, parse2};

/// Where the derived code finds the library.
pub(crate) fn library() -> TokenStream {
    quote!(crate = "::portcullis::async_graphql")
}

/// An object whose fields stand in its rows, and what it is made of, where it is told.
pub(crate) fn object(model: TokenStream, of: TokenStream) -> Result<TokenStream> {
    let derive = quote!(
        ::portcullis::async_graphql::SimpleObject,
        ::portcullis::prelude::Row,
        ::core::clone::Clone
    );
    let shown = if model.is_empty() { None } else { Some(shown(&parse2(model)?, &of)?) };
    let object = shape(of, &derive)?;
    Ok(quote!(#object #shown))
}

/// Makes the object of a row of its entity: each field from the column of the same name.
fn shown(model: &Path, of: &TokenStream) -> Result<TokenStream> {
    let shape: ItemStruct = parse2(of.clone())?;
    if !shape.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &shape.generics,
            "an object that shows rows must not have generics",
        ));
    }
    let (object, fields) = (&shape.ident, shape.fields.iter());
    let fields = fields.filter_map(|field| {
        let name = field.ident.as_ref()?;
        Some(if is_option(&field.ty) {
            quote!(#name: row.#name.map(::core::convert::Into::into))
        } else {
            quote!(#name: ::core::convert::Into::into(row.#name))
        })
    });
    Ok(quote! {
        impl ::core::convert::From<#model> for #object {
            fn from(row: #model) -> Self {
                Self { #(#fields),* }
            }
        }

        impl ::portcullis::Shown for #object {
            type Entity = <#model as ::portcullis::sea_orm::ModelTrait>::Entity;
        }
    })
}

pub(crate) fn is_option(of: &Type) -> bool {
    let of = match of {
        Type::Path(of) => of,
        Type::Group(of) => return is_option(&of.elem),
        Type::Paren(of) => return is_option(&of.elem),
        _ => return false,
    };
    of.path.segments.last().is_some_and(|last| last.ident == "Option")
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
