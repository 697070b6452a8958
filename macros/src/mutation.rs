//! The shape that every mutation has: one argument `input`, and a payload of its own. Fields can be added to both later,
//! and the payload has what changed, for the caches of clients.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Expr, FnArg, Ident, ImplItemFn, Lit, Meta, MetaNameValue, Pat, PatType,
    Result, ReturnType, Token, Type, parse_quote,
};

use crate::expand::{argument, is};
use crate::row::camel_case;
use crate::shape::{is_option, library};

/// Gives a resolver that shape, and returns the types that it takes: an input of its parameters, unless its one parameter
/// is `input`, and the payload that `#[payload(…)]` names the fields of.
pub(crate) fn shape(resolver: &mut ImplItemFn) -> Result<TokenStream> {
    let input = input(resolver)?;
    let payload = payload(resolver)?;
    Ok(quote!(#input #payload))
}

fn input(resolver: &mut ImplItemFn) -> Result<TokenStream> {
    let (given, parameters): (Vec<_>, Vec<_>) =
        std::mem::take(&mut resolver.sig.inputs).into_iter().partition(is_given);
    resolver.sig.inputs = given.into_iter().collect();
    let parameters: Vec<PatType> = parameters
        .into_iter()
        .filter_map(|parameter| match parameter {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        })
        .collect();
    match &parameters[..] {
        [] => return Ok(TokenStream::new()),
        [only] if name_of(only)? == "input" => {
            resolver.sig.inputs.push(FnArg::Typed(only.clone()));
            return Ok(TokenStream::new());
        }
        _ => {}
    }
    let (library, name) = (library(), type_name(resolver, "Input"));
    let mut fields = Vec::new();
    let mut names = Vec::new();
    for parameter in &parameters {
        let (name, of) = (name_of(parameter)?, &parameter.ty);
        let docs = parameter.attrs.iter().map(documented).collect::<Result<Vec<_>>>()?;
        fields.push(quote!(#(#docs)* #name: #of));
        names.push(name);
    }
    let body = &resolver.block;
    let (of, given, default) = if parameters.iter().all(|parameter| is_option(&parameter.ty)) {
        let of = quote!(::core::option::Option<#name>);
        (of, quote!(input.unwrap_or_default()), quote!(, ::core::default::Default))
    } else {
        (name.to_token_stream(), quote!(input), TokenStream::new())
    };
    resolver.block = parse_quote!({
        let #name { #(#names),* } = #given;
        #body
    });
    let arguments = about(resolver, "The arguments of");
    resolver.sig.inputs.push(parse_quote!(#[graphql(desc = #arguments)] input: #of));
    Ok(quote! {
        #[doc = #arguments]
        #[derive(::portcullis::async_graphql::InputObject #default)]
        #[graphql(#library)]
        struct #name { #(#fields),* }
    })
}

fn payload(resolver: &mut ImplItemFn) -> Result<TokenStream> {
    let is_payload = |attribute: &Attribute| attribute.path().is_ident("payload");
    let (told, rest): (Vec<_>, Vec<_>) =
        std::mem::take(&mut resolver.attrs).into_iter().partition(is_payload);
    resolver.attrs = rest;
    let answer = match &resolver.sig.output {
        ReturnType::Type(_, answer) => (**answer).clone(),
        ReturnType::Default => parse_quote!(()),
    };
    let Some(told) = told.into_iter().next() else { return of_its_own(resolver, &answer) };
    let Some(value) = argument(&answer, "Result") else {
        return Err(Error::new_spanned(&answer, "A mutation with #[payload] must return a Result"));
    };
    let told = told.parse_args_with(Punctuated::<MetaNameValue, Token![,]>::parse_terminated)?;
    let types: Vec<&Type> = match value {
        Type::Tuple(of) if told.len() > 1 => of.elems.iter().collect(),
        of => vec![of],
    };
    if types.len() != told.len() {
        let problem = "#[payload] must name one field for each value that the resolver returns";
        return Err(Error::new_spanned(value, problem));
    }
    let names = told.iter().map(|field| field.path.require_ident());
    let names = names.collect::<Result<Vec<_>>>()?;
    let docs = told.iter().map(|field| &field.value);
    let (library, name) = (library(), type_name(resolver, "Payload"));
    let (of_type, body) = (about(resolver, "The result of"), &resolver.block);
    resolver.block = parse_quote!({
        let answered: #answer = async move { #body }.await;
        answered.map(|(#(#names),*)| #name { #(#names),* })
    });
    resolver.sig.output = parse_quote!(-> Result<#name>);
    Ok(quote! {
        #[doc = #of_type]
        #[derive(::portcullis::async_graphql::SimpleObject)]
        #[graphql(#library)]
        struct #name { #(#[doc = #docs] #names: #types),* }
    })
}

/// A resolver may return a payload that is a type already: one that several mutations have, or a union of them.
fn of_its_own(resolver: &ImplItemFn, answer: &Type) -> Result<TokenStream> {
    let value = argument(answer, "Result").unwrap_or(answer).to_token_stream().to_string();
    match value.ends_with("Payload") || value.ends_with("Result") {
        true => Ok(TokenStream::new()),
        false => Err(Error::new_spanned(
            &resolver.sig.ident,
            "A mutation must return a payload: name its fields with #[payload(field = \"what it is\")]",
        )),
    }
}

/// Whether a parameter is the receiver or the context.
fn is_given(parameter: &FnArg) -> bool {
    match parameter {
        FnArg::Receiver(_) => true,
        FnArg::Typed(typed) => {
            matches!(&*typed.ty, Type::Reference(of) if is(&of.elem, "Context"))
        }
    }
}

fn name_of(parameter: &PatType) -> Result<Ident> {
    match &*parameter.pat {
        Pat::Ident(name) => Ok(name.ident.clone()),
        pattern => Err(Error::new_spanned(pattern, "An argument must have a name")),
    }
}

/// The description of an argument, as that of a field.
fn documented(attribute: &Attribute) -> Result<Attribute> {
    let problem = "An argument of a mutation takes #[graphql(desc = \"…\")] and nothing else";
    let refused = || Error::new_spanned(attribute, problem);
    let Meta::List(list) = &attribute.meta else { return Err(refused()) };
    let MetaNameValue { path, value, .. } = list.parse_args()?;
    match (path.is_ident("desc"), &value) {
        (true, Expr::Lit(text)) if matches!(text.lit, Lit::Str(_)) => {
            Ok(parse_quote!(#[doc = #value]))
        }
        // A text that several arguments share.
        (true, Expr::Macro(_)) => Ok(parse_quote!(#[doc = #value])),
        _ => Err(refused()),
    }
}

/// `deleteUser` with `Input` is `DeleteUserInput`.
fn type_name(resolver: &ImplItemFn, of: &str) -> Ident {
    // With nothing before its first letter, that is capitalized as well.
    let name = camel_case(&format!("_{}", resolver.sig.ident));
    format_ident!("{name}{of}", span = resolver.sig.ident.span())
}

fn about(resolver: &ImplItemFn, what: &str) -> String {
    format!("{what} {}.", camel_case(&resolver.sig.ident.to_string()))
}
