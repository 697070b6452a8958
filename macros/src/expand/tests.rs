use super::*;

fn refusal(of: TokenStream, resolvers: TokenStream) -> String {
    match expand(of, resolvers) {
        Ok(expanded) => panic!("compiles: {expanded}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_root_field_without_a_rule_does_not_compile() {
    for root in [quote!(query), quote!(mutation)] {
        let refused =
            refusal(root, quote!(impl Q { async fn me(&self) -> Result<User> { todo!() } }));
        assert!(refused.starts_with("Say who may use this field"), "{refused}");
    }
}

#[test]
fn a_field_with_two_rules_does_not_compile() {
    let twice = [
        quote!(#[auth] #[public]),
        quote!(#[auth] #[auth]),
        quote!(#[auth(role = Admin)] #[auth(permission = UsersRead)]),
        quote!(#[auth(role = Admin, permission = UsersRead)]),
        quote!(#[auth()]),
    ];
    for rules in twice {
        let refused = refusal(
            quote!(query),
            quote!(impl Q { #rules async fn me(&self) -> Result<User> { todo!() } }),
        );
        assert!(refused.starts_with("A field can have only one rule"), "{refused}");
    }
}

#[test]
fn a_rule_that_would_do_nothing_does_not_compile() {
    for (of, rules, problem) in [
        (quote!(query), quote!(#[public] #[fresh]), "#[fresh] requires"),
        (quote!(query), quote!(#[auth] #[fresh(if_password)]), "Expected if_second_factor"),
        (quote!(query), quote!(#[auth] #[defence]), "#[defence] is only"),
        (quote!(mutation), quote!(#[public] #[defence]), "#[defence] is only"),
        (quote!(mutation), quote!(#[public] #[owner]), "#[owner] requires"),
        (quote!(query), quote!(#[auth] #[covers]), "#[covers] is only"),
        (quote!(mutation), quote!(#[auth] #[covers(oneself)]), "Expected others"),
        (quote!(), quote!(#[limit(LIMIT)]), "#[limit] says"),
        (quote!(), quote!(#[auth(scope = Users)]), "Expected role"),
        (quote!(roots), quote!(#[auth]), "Expected query"),
    ] {
        let refused =
            refusal(of, quote!(impl Q { #rules async fn me(&self) -> Result<User> { todo!() } }));
        assert!(refused.starts_with(problem), "{refused}");
    }
}

#[test]
fn a_limit_that_no_feature_is_handed_does_not_compile() {
    let refused = refusal(
        quote!(mutation),
        quote!(impl M {
            #[public]
            #[limit(REGISTRATIONS)]
            async fn register(&self) -> Result<RegisterResult> { users.register("limits").await }
        }),
    );
    assert!(refused.starts_with("#[limit] only shows"), "{refused}");
}

#[test]
fn a_rule_about_what_a_call_names_that_no_feature_is_handed_does_not_compile() {
    for (rule, problem) in [
        (quote!(#[owner]), "#[owner] only shows"),
        (quote!(#[owner(Entity)]), "#[owner] only shows"),
        (quote!(#[covers]), "#[covers] only shows"),
        (quote!(#[covers(others)]), "#[covers] only shows"),
    ] {
        let refused = refusal(
            quote!(mutation),
            quote!(impl M {
                #[auth]
                #rule
                #[payload(deleted_note_id = "Which.")]
                async fn delete_note(&self, #[graphql(desc = "Which.")] id: ID) -> Result<ID> {
                    notes.delete(id).await
                }
            }),
        );
        assert!(refused.starts_with(problem), "{refused}");
    }
}

#[test]
fn a_field_for_the_owner_of_its_object_is_checked_before_its_body() {
    let expanded = expand(
        quote!(),
        quote!(impl Note {
            #[auth]
            #[owner]
            async fn drafts(&self) -> Result<Vec<String>> { self.texts() }
        }),
    );
    let expanded = expanded.unwrap().to_string().replace(' ', "");
    let at = |part: &str| expanded.find(part).unwrap_or_else(|| panic!("{part} in {expanded}"));
    assert!(at("Personal::check_owner(self,ctx)") < at("self.texts()"));
    at("owner::apply(::core::option::Option::None)");
}

#[test]
fn the_check_runs_before_the_body_and_stands_in_the_schema() {
    let expanded = expand(
        quote!(mutation),
        quote!(impl M {
            #[auth(permission = USERS_WRITE)]
            #[fresh]
            #[limit(links::FAILURES)]
            #[payload(deleted_user_id = "The user that is gone.")]
            async fn delete_user(
                &self,
                #[graphql(desc = "The user's id.")] id: ID,
            ) -> Result<ID> { users.delete(id_of(id), limits) }
        }),
    );
    let expanded = expanded.unwrap().to_string().replace(' ', "");
    let at = |part: &str| expanded.find(part).unwrap_or_else(|| panic!("{part} in {expanded}"));
    assert!(at("PermissionGuard(USERS_WRITE),ctx)") < at("id_of(id)"));
    assert!(at("if_second_factor:false,},ctx)") < at("id_of(id)"));
    at("->::core::option::Option<::portcullis::async_graphql::Result<DeleteUserPayload>>");
    at("structDeleteUserInput{#[doc=\"Theuser'sid.\"]id:ID}");
    at("structDeleteUserPayload{#[doc=\"Theuserthatisgone.\"]deleted_user_id:ID}");
    assert!(at("letDeleteUserInput{id}=input;") < at("id_of(id)"));
    assert!(at("letlimits=&links::FAILURES;") < at("id_of(id)"));
    at("limit::apply(&links::FAILURES)");
    at("limit::apply(&::portcullis::expansion::budget::BUDGET)");
    at("semantic_non_null::apply()");
}

#[test]
fn a_description_may_come_from_a_macro() {
    let expanded = expand(
        quote!(mutation),
        quote!(impl M {
            #[public]
            #[payload(user = "Who.")]
            async fn rename(
                &self,
                #[graphql(desc = concat!("The name: ", name_rules!()))] name: String,
            ) -> Result<User> { todo!() }
        }),
    );
    let expanded = expanded.unwrap().to_string().replace(' ', "");
    let described = "#[doc=concat!(\"Thename:\",name_rules!())]name:String";
    assert!(expanded.contains(described), "{expanded}");
}

#[test]
fn a_mutation_that_answers_no_payload_does_not_compile() {
    for (payload, answer, problem) in [
        (quote!(), quote!(Result<bool>), "A mutation must return a payload"),
        (
            quote!(#[payload(user = "Who.", ended = "How many.")]),
            quote!(Result<User>),
            "#[payload] must name one",
        ),
        (quote!(#[payload(user = "Who.")]), quote!(User), "A mutation with #[payload] must return"),
    ] {
        let refused = refusal(
            quote!(mutation),
            quote!(impl M { #[public] #payload async fn sign_out(&self) -> #answer { todo!() } }),
        );
        assert!(refused.starts_with(problem), "{refused}");
    }
}

#[test]
fn an_input_may_be_left_out_where_nothing_must_be_given() {
    let resolver = quote!(impl M {
        #[public]
        async fn refresh(&self, token: Option<String>) -> Result<AuthPayload> { tokens.of(token) }
    });
    let expanded = expand(quote!(mutation), resolver).unwrap().to_string().replace(' ', "");
    for part in ["input:::core::option::Option<RefreshInput>", "=input.unwrap_or_default();"] {
        assert!(expanded.contains(part), "{part} in {expanded}");
    }
}

#[test]
fn what_needs_no_rule_stays_as_it_is() {
    let resolvers = quote!(impl Task { async fn owner(&self) -> Result<User> { todo!() } });
    assert_eq!(expand(quote!(), resolvers.clone()).unwrap().to_string(), resolvers.to_string());
}
