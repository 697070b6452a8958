//! The `impl` block with its rules, as the GraphQL library takes it.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{
    Error, FnArg, GenericArgument, Ident, ImplItem, ImplItemFn, ItemImpl, Pat, PathArguments,
    Result, ReturnType, Type, parse_quote, parse2,
};

use crate::mutation;
use crate::rule::{Of, Rules};
use crate::shape::of_library;

/// Puts each rule into its resolver's body and beside it.
pub(crate) fn expand(of: TokenStream, resolvers: TokenStream) -> Result<TokenStream> {
    let of = if of.is_empty() {
        Of::Object
    } else {
        match parse2::<Ident>(of)? {
            name if name == "query" => Of::Query,
            name if name == "mutation" => Of::Mutation,
            name if name == "subscription" => Of::Subscription,
            name => {
                return Err(Error::new(name.span(), "Expected query, mutation or subscription"));
            }
        }
    };
    let mut resolvers: ItemImpl = parse2(resolvers)?;
    of_library(&mut resolvers);
    let mut types = TokenStream::new();
    for item in &mut resolvers.items {
        if let ImplItem::Fn(resolver) = item {
            types.extend(rule(of, resolver)?);
        }
    }
    Ok(quote!(#types #resolvers))
}

/// Returns the types that the resolver takes and answers, where those are made of it.
fn rule(of: Of, resolver: &mut ImplItemFn) -> Result<TokenStream> {
    let rules = Rules::take(&mut resolver.attrs)?;
    rules.prove(of, &resolver.sig.ident)?;
    page(resolver);
    let types = match of {
        Of::Mutation => mutation::shape(resolver)?,
        Of::Query | Of::Subscription | Of::Object => TokenStream::new(),
    };
    if rules.is_none() {
        return Ok(types);
    }
    let ReturnType::Type(_, answer) = resolver.sig.output.clone() else {
        return Err(Error::new_spanned(&resolver.sig, "A field must return a value"));
    };
    let of_result = argument(&answer, "Result");
    let value = of_result.unwrap_or(&answer);
    // The `None` of a subscription is not told: nothing has happened yet.
    let is_nullable = of != Of::Subscription && argument(value, "Option").is_some();
    for directive in rules.directives(of, is_nullable) {
        resolver.attrs.push(parse_quote!(#[graphql(directive = #directive)]));
    }
    merge_attributes(resolver)?;
    let ctx = context(resolver);
    let checks = rules.checks(of, &ctx);
    let is_asked = is_asked(&rules, resolver)?;
    let limits = rules.limits(&resolver.block)?;
    let member = rules.member(&resolver.block)?;
    let standing = rules.standing(of, &resolver.block)?;
    let body = &resolver.block;
    let answered = if of_result.is_some() {
        quote!(answered.map_err(::core::convert::Into::into))
    } else {
        quote!(::core::result::Result::Ok(answered))
    };
    resolver.block = parse_quote!({
        #(if #is_asked let ::core::result::Result::Err(refused) = #checks {
            return ::core::option::Option::Some(::core::result::Result::Err(
                ::core::convert::Into::into(refused),
            ));
        })*
        let answered: #answer = async move { #limits #member #standing #body }.await;
        ::core::option::Option::Some(#answered)
    });
    resolver.sig.output =
        parse_quote!(-> ::core::option::Option<::portcullis::async_graphql::Result<#value>>);
    Ok(types)
}

/// The condition on which the rule is asked for, before others: always, unless the input shows that somebody is to set up a
/// second factor. Whether it does, the resolver's feature looks.
fn is_asked(rules: &Rules, resolver: &ImplItemFn) -> Result<TokenStream> {
    if !rules.is_enrolling() {
        return Ok(TokenStream::new());
    }
    let Some(FnArg::Typed(input)) = resolver.sig.inputs.last() else {
        let problem = "#[enrolling] needs an argument `enrollment: Option<String>`";
        return Err(Error::new_spanned(&resolver.sig, problem));
    };
    let is_none = if is(&input.ty, "Option") {
        quote!(input.as_ref().is_none_or(|input| input.enrollment.is_none()))
    } else {
        quote!(input.enrollment.is_none())
    };
    Ok(quote!(#is_none &&))
}

/// Makes the arguments of a page of a parameter of the type `Window`.
fn page(resolver: &mut ImplItemFn) {
    let is_window = |input: &FnArg| matches!(input, FnArg::Typed(typed) if is(&typed.ty, "Window"));
    let inputs = std::mem::take(&mut resolver.sig.inputs);
    for input in inputs {
        if !is_window(&input) {
            resolver.sig.inputs.push(input);
            continue;
        }
        let FnArg::Typed(typed) = input else { continue };
        let (pattern, window, body) = (typed.pat, typed.ty, &resolver.block);
        resolver.block = parse_quote!({
            let #pattern = #window { first, after, last, before };
            #body
        });
        let arguments: [FnArg; 4] = [
            parse_quote!(#[graphql(desc = "At most this many entries from the start of the list: 0 to 100.")] first: Option<i32>),
            parse_quote!(#[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>),
            parse_quote!(#[graphql(desc = "At most this many entries from the end of the list: 0 to 100.")] last: Option<i32>),
            parse_quote!(#[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>),
        ];
        resolver.sig.inputs.extend(arguments);
    }
}

/// Makes one `#[graphql]` of several: the library would strip one and leave the others.
fn merge_attributes(resolver: &mut ImplItemFn) -> Result<()> {
    let (graphql, mut rest): (Vec<_>, Vec<_>) =
        resolver.attrs.drain(..).partition(|attribute| attribute.path().is_ident("graphql"));
    let mut arguments = Vec::new();
    for attribute in graphql {
        arguments.push(attribute.meta.require_list()?.tokens.clone());
    }
    rest.push(parse_quote!(#[graphql(#(#arguments),*)]));
    resolver.attrs = rest;
    Ok(())
}

/// The resolver's context, which is added where it takes none.
fn context(resolver: &mut ImplItemFn) -> Ident {
    let named = resolver.sig.inputs.iter().nth(1).and_then(|input| match input {
        FnArg::Typed(typed) => match (&*typed.pat, &*typed.ty) {
            (Pat::Ident(name), Type::Reference(of)) if is(&of.elem, "Context") => {
                Some(name.ident.clone())
            }
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    named.unwrap_or_else(|| {
        let ctx = Ident::new("ctx", Span::mixed_site());
        resolver
            .sig
            .inputs
            .insert(1, parse_quote!(#ctx: &::portcullis::async_graphql::Context<'_>));
        ctx
    })
}

/// The first argument of a generic type of this name.
pub(crate) fn argument<'a>(of: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = of else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(of) => Some(of),
        _ => None,
    })
}

pub(crate) fn is(of: &Type, name: &str) -> bool {
    matches!(of, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

#[cfg(test)]
mod tests;
