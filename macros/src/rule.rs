//! The attributes of one resolver, parsed.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Block, Error, Expr, Ident, Meta, MetaNameValue, Result, Token, Type};

/// Where the resolvers stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Query,
    Mutation,
    Subscription,
    /// Any other object: it may have fields without a rule.
    Object,
}

/// Who may resolve a field.
enum Who {
    Anybody,
    /// Callers whom this guard lets through.
    Guarded(TokenStream),
}

/// What `#[owner]` says: the field, or what its input names, is for its owner.
struct Owner {
    attribute: Attribute,
    /// The entity of an extension, whose permission opens the rows of everybody.
    entity: Option<Type>,
}

/// What `#[covers]` says: the caller's rights cover those of whom the field is about.
struct Covers {
    attribute: Attribute,
    /// Whether it cannot be about the caller.
    others: bool,
}

/// What the attributes of a resolver say.
#[derive(Default)]
pub(crate) struct Rules {
    who: Option<Who>,
    features: Vec<Ident>,
    member: Option<Ident>,
    owner: Option<Owner>,
    covers: Option<Covers>,
    /// The guard that `#[fresh]` names.
    fresh: Option<TokenStream>,
    is_enrolling: bool,
    limits: Vec<Expr>,
    is_defence: bool,
}

impl Rules {
    /// Takes the attributes that are rules out of those of a resolver.
    pub(crate) fn take(attributes: &mut Vec<Attribute>) -> Result<Self> {
        let mut rules = Self::default();
        let mut rest = Vec::new();
        for attribute in attributes.drain(..) {
            if !rules.read(&attribute)? {
                rest.push(attribute);
            }
        }
        *attributes = rest;
        Ok(rules)
    }

    /// Reads an attribute, if it is a rule.
    fn read(&mut self, attribute: &Attribute) -> Result<bool> {
        let path = attribute.path();
        if path.is_ident("public") {
            attribute.meta.require_path_only()?;
            self.admit(attribute, Who::Anybody)?;
        } else if path.is_ident("auth") {
            self.admit(attribute, Who::Guarded(guard(attribute)?))?;
        } else if path.is_ident("member") {
            self.member = Some(attribute.parse_args()?);
        } else if path.is_ident("owner") {
            let entity = match &attribute.meta {
                Meta::Path(_) => None,
                _ => Some(attribute.parse_args()?),
            };
            self.owner = Some(Owner { attribute: attribute.clone(), entity });
        } else if path.is_ident("covers") {
            let others = is_flag(attribute, "others")?;
            self.covers = Some(Covers { attribute: attribute.clone(), others });
        } else if path.is_ident("needs") {
            let features = Punctuated::<Ident, Token![,]>::parse_terminated;
            self.features.extend(attribute.parse_args_with(features)?);
        } else if path.is_ident("fresh") {
            self.fresh = Some(fresh(attribute)?);
        } else if path.is_ident("enrolling") {
            attribute.meta.require_path_only()?;
            self.is_enrolling = true;
        } else if path.is_ident("defence") {
            attribute.meta.require_path_only()?;
            self.is_defence = true;
        } else if path.is_ident("limit") {
            let limits = Punctuated::<Expr, Token![,]>::parse_terminated;
            self.limits.extend(attribute.parse_args_with(limits)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn admit(&mut self, attribute: &Attribute, who: Who) -> Result<()> {
        match self.who.replace(who) {
            None => Ok(()),
            Some(_) => Err(Error::new_spanned(
                attribute,
                "A field can have only one rule: remove this one",
            )),
        }
    }

    /// Refuses rules that say too little or contradict each other.
    pub(crate) fn prove(&self, of: Of, field: &impl ToTokens) -> Result<()> {
        let is_guarded = matches!(self.who, Some(Who::Guarded(_)));
        let problem = if self.who.is_none() && of != Of::Object {
            "Say who may use this field: #[public], #[auth], #[auth(role = …)], #[auth(permission = …)] or \
             #[auth(organization_role = …)]"
        } else if self.member.is_some() && !is_guarded {
            "#[member] requires a role in an organization: add #[auth]"
        } else if self.owner.is_some() && !is_guarded {
            "#[owner] requires a caller who owns something: add #[auth]"
        } else if self.covers.is_some() && !(is_guarded && of == Of::Mutation) {
            "#[covers] is only for mutations with #[auth], whose callers have rights: remove it here"
        } else if self.fresh.is_some() && !is_guarded {
            "#[fresh] requires a recent sign-in: add #[auth]"
        } else if self.is_enrolling && !is_guarded {
            "#[enrolling] also admits callers with an enrollment: add #[auth]"
        } else if self.is_defence && !(is_guarded && of == Of::Mutation) {
            "#[defence] is only for mutations with #[auth], which have a budget: remove it here"
        } else if !self.features.is_empty() && self.who.is_none() {
            "#[needs] names what the server must offer: also say to whom, with #[public] or #[auth]"
        } else if !self.limits.is_empty() && self.who.is_none() {
            "#[limit] says how often a field may be used: also say by whom, with #[public] or #[auth]"
        } else {
            return Ok(());
        };
        Err(Error::new_spanned(field, problem))
    }

    /// The limits by the name by which the resolver's body hands them to its feature, which counts under what it is
    /// given: a limit that the schema shows and nobody counts under does not compile.
    pub(crate) fn limits(&self, body: &Block) -> Result<Option<TokenStream>> {
        let [first, more @ ..] = &self.limits[..] else { return Ok(None) };
        let name = Ident::new("limits", first.span());
        if !mentions(body.to_token_stream(), &name) {
            return Err(Error::new_spanned(
                first,
                "#[limit] only shows the limit, and the resolver must enforce it: pass `limits` on",
            ));
        }
        Ok(Some(if more.is_empty() {
            quote!(let #name = &#first;)
        } else {
            quote!(let #name = (&#first, #(&#more),*);)
        }))
    }

    /// The role that members need, by the name by which the resolver's body hands it to its feature, which looks under
    /// the locks of the change whether the caller holds it.
    pub(crate) fn member(&self, body: &Block) -> Result<Option<TokenStream>> {
        let Some(role) = &self.member else { return Ok(None) };
        let name = Ident::new("least", role.span());
        if !mentions(body.to_token_stream(), &name) {
            return Err(Error::new_spanned(
                role,
                "#[member] only shows the role, and the resolver must enforce it: pass `least` on",
            ));
        }
        Ok(Some(quote!(let #name = ::portcullis::expansion::OrganizationRole::#role;)))
    }

    /// The rules about what the call names, by the names by which the resolver's body hands them to its feature, which
    /// asks them under the locks of the change.
    pub(crate) fn standing(&self, of: Of, body: &Block) -> Result<TokenStream> {
        let mut standing = TokenStream::new();
        let mut hand = |attribute: &Attribute, name: &str, value: TokenStream| {
            let name = Ident::new(name, attribute.span());
            if !mentions(body.to_token_stream(), &name) {
                let problem = format!(
                    "#[{name}] only shows the rule, and the resolver must enforce it: pass `{name}` on"
                );
                return Err(Error::new_spanned(attribute, problem));
            }
            standing.extend(quote!(let #name = #value;));
            Ok(())
        };
        let access = quote!(::portcullis::expansion);
        // A field of an object is asked whose the object is, before its body runs.
        if let Some(Owner { attribute, entity }) = self.owner.as_ref().filter(|_| of != Of::Object)
        {
            let entity = entity.as_ref().map_or_else(|| quote!(()), ToTokens::to_token_stream);
            hand(attribute, "owner", quote!(#access::Owner::<#entity>::declared()))?;
        }
        if let Some(Covers { attribute, others }) = &self.covers {
            hand(attribute, "covers", quote!(#access::Covers { others: #others }))?;
        }
        Ok(standing)
    }

    pub(crate) fn is_none(&self) -> bool {
        self.who.is_none()
    }

    /// Whether callers who are not signed in may show in the input that they are to set up a second factor.
    pub(crate) fn is_enrolling(&self) -> bool {
        self.is_enrolling
    }

    /// What must hold before the resolver's body runs, as expressions that give a `Result` each.
    pub(crate) fn checks(&self, of: Of, ctx: &impl ToTokens) -> Vec<TokenStream> {
        let guards = quote!(::portcullis::expansion::guard);
        let mut checks = Vec::new();
        if let Some(Who::Guarded(guard)) = &self.who {
            checks.push(quote!(#guards::Guard::check(&#guard, #ctx)));
        }
        checks.extend(self.features.iter().map(|feature| {
            quote!(::portcullis::expansion::feature::ServerFeature::check(
                ::portcullis::expansion::feature::ServerFeature::#feature, #ctx,
            ))
        }));
        if let Some(fresh) = &self.fresh {
            checks.push(quote!(#guards::Fresh::check(#fresh, #ctx).await));
        }
        if self.owner.is_some() && of == Of::Object {
            checks.push(quote!(#guards::Personal::check_owner(self, #ctx)));
        }
        checks
    }

    /// The directives that say the same in the schema.
    pub(crate) fn directives(&self, of: Of, is_nullable: bool) -> Vec<TokenStream> {
        let directive = quote!(::portcullis::expansion::directive);
        let mut directives = Vec::new();
        match &self.who {
            None => return directives,
            Some(Who::Anybody) => directives.push(quote!(#directive::public::apply())),
            Some(Who::Guarded(guard)) => directives.push(quote!(#directive::auth::apply(&#guard))),
        }
        if let Some(role) = &self.member {
            directives.push(
                quote!(#directive::member::apply(::portcullis::expansion::OrganizationRole::#role)),
            );
        }
        if let Some(Owner { entity, .. }) = &self.owner {
            let permission = match entity {
                None => quote!(::core::option::Option::None),
                Some(entity) => {
                    quote!(<#entity as ::portcullis::expansion::Owned>::WRITE_ALL)
                }
            };
            directives.push(quote!(#directive::owner::apply(#permission)));
        }
        if let Some(Covers { others, .. }) = &self.covers {
            directives.push(quote!(#directive::covers::apply(
                ::portcullis::expansion::Covers { others: #others },
            )));
        }
        if !self.features.is_empty() {
            let features = self
                .features
                .iter()
                .map(|feature| quote!(::portcullis::expansion::feature::ServerFeature::#feature));
            directives.push(quote!(#directive::needs::apply(vec![#(#features),*])));
        }
        if self.is_enrolling {
            directives.push(quote!(#directive::enrolling::apply()));
        }
        if let Some(fresh) = &self.fresh {
            directives.push(quote!(#directive::fresh::apply(#fresh)));
        }
        directives
            .extend(self.limits.iter().map(|limit| quote!(#directive::limit::apply(&#limit))));
        if of == Of::Mutation && matches!(self.who, Some(Who::Guarded(_))) && !self.is_defence {
            directives
                .push(quote!(#directive::limit::apply(&::portcullis::expansion::budget::BUDGET)));
        }
        if !is_nullable {
            directives.push(quote!(#directive::semantic_non_null::apply()));
        }
        directives
    }
}

fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Whether an attribute has its one argument, which is a flag.
fn is_flag(attribute: &Attribute, name: &str) -> Result<bool> {
    match &attribute.meta {
        Meta::Path(_) => Ok(false),
        _ if attribute.parse_args::<Ident>()? == name => Ok(true),
        _ => Err(Error::new_spanned(attribute, format!("Expected {name}"))),
    }
}

/// The guard that `#[fresh]` names.
fn fresh(attribute: &Attribute) -> Result<TokenStream> {
    let guards = quote!(::portcullis::expansion::guard);
    let if_second_factor = is_flag(attribute, "if_second_factor")?;
    Ok(quote!(#guards::Fresh {
        max_age_seconds: #guards::FRESH_SECONDS,
        if_second_factor: #if_second_factor,
    }))
}

/// The guard that `#[auth]` names.
fn guard(attribute: &Attribute) -> Result<TokenStream> {
    let guards = quote!(::portcullis::expansion::guard);
    if attribute.meta.require_path_only().is_ok() {
        return Ok(quote!(#guards::SignedIn));
    }
    let arguments = Punctuated::<MetaNameValue, Token![,]>::parse_terminated;
    let arguments = attribute.parse_args_with(arguments)?;
    let mut arguments = arguments.into_iter();
    let (Some(MetaNameValue { path, value, .. }), None) = (arguments.next(), arguments.next())
    else {
        return Err(Error::new_spanned(
            attribute,
            "A field can have only one rule: one role or one permission",
        ));
    };
    let kinds = [
        ("role", quote!(RoleGuard), Some(quote!(Role))),
        // A constant, since an extension has permissions of its own.
        ("permission", quote!(PermissionGuard), None),
        ("organization_role", quote!(OrganizationRoleGuard), Some(quote!(OrganizationRole))),
    ];
    let Some((_, guard, of)) = kinds.into_iter().find(|(name, ..)| path.is_ident(name)) else {
        return Err(Error::new_spanned(path, "Expected role, permission or organization_role"));
    };
    let value = match (&value, of) {
        // A variant by its bare name.
        (Expr::Path(name), Some(of)) if name.path.get_ident().is_some() => {
            quote!(::portcullis::expansion::#of::#name)
        }
        (value, _) => value.to_token_stream(),
    };
    Ok(quote!(#guards::#guard(#value)))
}
