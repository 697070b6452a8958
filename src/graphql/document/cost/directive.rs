//! `@cost` and `@listSize`: what the schema says of the cost of a document, in the directives of the GraphQL Cost Directive
//! specification (<https://ibm.github.io/graphql-specs/cost-spec.html>).
//!
//! They are written while the schema is built, and the pre-scan counts by what it reads back from them. So clients read
//! in the schema what is enforced.

use std::collections::HashSet;

use async_graphql::Value;
use async_graphql::indexmap::IndexMap;
use async_graphql::registry::{
    __DirectiveLocation, MetaDirective, MetaDirectiveInvocation, MetaField, MetaInputValue,
    MetaType, MetaTypeName, Registry,
};

use crate::graphql::document::COST_MAX;
use crate::graphql::page;

/// What a field costs that says nothing else.
pub(in crate::graphql::document) const FIELD: u64 = 1;
/// What a row costs beside the fields that are selected of it.
pub(super) const ROW: u64 = 5;
/// The entries of a list of objects whose size nothing says.
pub(super) const ENTRIES_MAX: u64 = 100;
/// What a statement costs beside its rows.
const STATEMENT: u64 = 50;
/// What an answer costs that may be of any size: more than half of what a request may.
const ANY_SIZE: u64 = COST_MAX / 2 + 1;
/// The scalar of such answers.
const ANY: &str = "JSON";
/// What may be kilobytes long, by its scalar or its field, and what one costs beside its field.
const LONG: [(&str, u64); 2] = [("Metadata", 20), ("avatarUrl", 10)];
/// What a gateway gets the whole schema from, which is as large as many answers together.
const SDL_OF: &str = "_Service";
/// The arguments of a page that say how many rows it has. A field with the first of them gives a page.
const SLICING: [&str; 2] = ["first", "last"];
/// The fields of a page that take a statement of their own.
const ASKED: [&str; 2] = ["totalCount", "pageInfo"];
/// The list arguments of fields that give one object for each of their entries.
const LISTED: [&str; 3] = ["ids", "fields", "representations"];

const COST: &str = "cost";
const WEIGHT: &str = "weight";
const LIST_SIZE: &str = "listSize";
const ASSUMED_SIZE: &str = "assumedSize";
const SLICING_ARGUMENTS: &str = "slicingArguments";
const SIZED_FIELDS: &str = "sizedFields";
const REQUIRE_ONE: &str = "requireOneSlicingArgument";

/// How many entries a list has that a field gives, or that its object holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::graphql::document) struct ListSize {
    /// The arguments that ask for a size: by a number, or by a list that is as long.
    pub(super) slicing: Vec<String>,
    /// The size if none of those is given.
    pub(super) assumed: Option<u64>,
    /// The fields of the object that are lists of this size; if there are none, the field is the list itself.
    pub(super) sized: Vec<String>,
}

/// Writes the directives, with their definitions, into the registry of a schema.
pub(in crate::graphql::document) fn write(registry: &mut Registry) {
    let schema = Schema::read(registry);
    let types = registry.types.iter().filter(|(of, _)| !of.starts_with("__"));
    let all = types.flat_map(|(of, meta)| fields(meta).map(move |field| (of, field)));
    let written: Vec<_> = all
        .filter(|(_, field)| !field.name.starts_with("__"))
        .map(|(of, field)| (of.clone(), field.name.clone(), schema.directives(of, field)))
        .collect();
    for (of, name, directives) in written {
        let Some(MetaType::Object { fields, .. } | MetaType::Interface { fields, .. }) =
            registry.types.get_mut(&of)
        else {
            continue;
        };
        if let Some(field) = fields.get_mut(&name) {
            field.directive_invocations.extend(directives);
        }
    }
    registry.add_directive(cost());
    registry.add_directive(list_size());
}

/// What a field says: its weight, and how many entries its list has.
pub(in crate::graphql::document) fn read(field: &MetaField) -> (u64, Option<ListSize>) {
    let used = |name: &str| field.directive_invocations.iter().find(|used| used.name == name);
    let weight = match used(COST).and_then(|cost| cost.args.get(WEIGHT)) {
        None => FIELD,
        // What cannot be read is costly.
        Some(Value::String(weight)) => weight.parse().unwrap_or(ANY_SIZE),
        Some(_) => ANY_SIZE,
    };
    let size = used(LIST_SIZE).map(|size| ListSize {
        slicing: names(size.args.get(SLICING_ARGUMENTS)),
        assumed: match size.args.get(ASSUMED_SIZE) {
            Some(Value::Number(assumed)) => assumed.as_u64(),
            _ => None,
        },
        sized: names(size.args.get(SIZED_FIELDS)),
    });
    (weight, size)
}

/// The same as gateways understand it (Apollo Federation): a weight is a whole number, and so is an argument that slices.
pub(crate) fn of_subgraph(field: &MetaField) -> Vec<MetaDirectiveInvocation> {
    let (weight, size) = read(field);
    let size = size.map(|mut size| {
        let of = |argument: &String| field.args.get(argument).map(|argument| &argument.ty);
        size.slicing.retain(|argument| of(argument).is_some_and(|of| !is_list(of)));
        size.invocation(!size.slicing.is_empty())
    });
    let weight = (weight != FIELD).then(|| used(COST, [(WEIGHT, Some(weight.into()))]));
    weight.into_iter().chain(size).collect()
}

impl ListSize {
    fn invocation(&self, may_lack_slicing: bool) -> MetaDirectiveInvocation {
        let names = |names: &[String]| {
            let list = || Value::List(names.iter().map(|name| name.as_str().into()).collect());
            (!names.is_empty()).then(list)
        };
        used(
            LIST_SIZE,
            [
                (ASSUMED_SIZE, self.assumed.map(Value::from)),
                (SLICING_ARGUMENTS, names(&self.slicing)),
                (SIZED_FIELDS, names(&self.sized)),
                (REQUIRE_ONE, may_lack_slicing.then_some(Value::Boolean(false))),
            ],
        )
    }
}

/// What decides about the cost of a field, beside the field.
struct Schema {
    /// The types that have fields.
    composite: HashSet<String>,
    /// The types of pages, and the lists of objects in each.
    pages: IndexMap<String, Vec<String>>,
}

impl Schema {
    fn read(registry: &Registry) -> Self {
        let is_composite = |of: &MetaType| {
            matches!(
                of,
                MetaType::Object { .. } | MetaType::Interface { .. } | MetaType::Union { .. }
            )
        };
        let types = registry.types.iter().filter(|(_, of)| is_composite(of));
        let mut schema = Self {
            composite: types.map(|(name, _)| name.clone()).collect(),
            pages: IndexMap::new(),
        };
        let all = registry.types.values().flat_map(fields);
        for page in all.filter(|field| is_page(field) && !is_list(&field.ty)) {
            let name = MetaTypeName::concrete_typename(&page.ty).to_owned();
            let lists = registry.types.get(&name).into_iter().flat_map(fields);
            let lists = lists.filter(|field| schema.is_list_of_objects(field));
            let lists = lists.map(|field| field.name.clone()).collect();
            schema.pages.insert(name, lists);
        }
        schema
    }

    fn is_list_of_objects(&self, field: &MetaField) -> bool {
        is_list(&field.ty) && self.composite.contains(MetaTypeName::concrete_typename(&field.ty))
    }

    fn directives(&self, of: &str, field: &MetaField) -> Vec<MetaDirectiveInvocation> {
        let weight = self.weight(of, field);
        let weight =
            (weight != FIELD).then(|| used(COST, [(WEIGHT, Some(weight.to_string().into()))]));
        weight.into_iter().chain(self.list_size(of, field)).collect()
    }

    fn weight(&self, of: &str, field: &MetaField) -> u64 {
        let asks =
            is_page(field) || (self.pages.contains_key(of) && ASKED.contains(&field.name.as_str()));
        let given = MetaTypeName::concrete_typename(&field.ty);
        let beside = [(asks, STATEMENT), (of == SDL_OF || given == ANY, ANY_SIZE)];
        let beside = beside.into_iter().filter_map(|(is, cost)| is.then_some(cost)).sum::<u64>();
        let is_it = |(name, _): &(&str, u64)| *name == given || *name == field.name;
        let long = LONG.into_iter().find(is_it).map_or(0, |(_, cost)| cost);
        FIELD + beside + long
    }

    fn list_size(&self, of: &str, field: &MetaField) -> Option<MetaDirectiveInvocation> {
        if is_page(field) {
            let given = |name: &&str| field.args.contains_key(*name);
            let page = MetaTypeName::concrete_typename(&field.ty);
            let size = ListSize {
                slicing: SLICING
                    .iter()
                    .filter(|name| given(name))
                    .map(ToString::to_string)
                    .collect(),
                assumed: Some(page::SIZE_DEFAULT.unsigned_abs().into()),
                sized: self.pages.get(page).cloned().unwrap_or_default(),
            };
            return Some(size.invocation(true));
        }
        // The lists in a page are as long as the page.
        if !self.is_list_of_objects(field) || self.pages.contains_key(of) {
            return None;
        }
        let listed =
            LISTED.iter().find_map(|name| field.args.get(*name).filter(|it| is_list(&it.ty)));
        let is_required = |it: &MetaInputValue| it.ty.ends_with('!') && it.default_value.is_none();
        let size = ListSize {
            slicing: listed.iter().map(|listed| listed.name.clone()).collect(),
            assumed: Some(ENTRIES_MAX),
            sized: Vec::new(),
        };
        Some(size.invocation(listed.is_some_and(|listed| !is_required(listed))))
    }
}

fn fields(of: &MetaType) -> impl Iterator<Item = &MetaField> {
    of.fields().into_iter().flat_map(IndexMap::values)
}

fn is_page(field: &MetaField) -> bool {
    field.args.contains_key(SLICING[0])
}

fn is_list(of: &str) -> bool {
    MetaTypeName::create(of).is_list()
}

fn names(value: Option<&Value>) -> Vec<String> {
    let Some(Value::List(values)) = value else { return Vec::new() };
    let name = |value: &Value| match value {
        Value::String(name) => Some(name.clone()),
        _ => None,
    };
    values.iter().filter_map(name).collect()
}

/// A use of a directive, with those arguments that have a value.
fn used<const N: usize>(name: &str, args: [(&str, Option<Value>); N]) -> MetaDirectiveInvocation {
    let args = args.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    MetaDirectiveInvocation { name: name.to_owned(), args: args.collect() }
}

fn cost() -> MetaDirective {
    let description = format!(
        "The cost of the field for each object that has it. A field without this directive costs \
         {FIELD}. Each value inside a\n\
         list or an input object of its arguments costs 1 more. A request can cost at most {COST_MAX}."
    );
    defined(COST, description, vec![MetaInputValue::new(WEIGHT, "String!")])
}

fn list_size() -> MetaDirective {
    let description = format!(
        "The number of objects in a list, for the cost of a request: the largest value among \
         slicingArguments, but at least 1.\n\
         The value of a list argument is its number of entries. Without any of these arguments, the number is assumedSize.\n\
         With sizedFields, the lists are these fields of the object. A list of objects without a size counts as\n\
         {ENTRIES_MAX}. Each object in a list costs {ROW}, in addition to its fields."
    );
    let mut require_one = MetaInputValue::new(REQUIRE_ONE, "Boolean");
    require_one.default_value = Some("true".to_owned());
    let args = vec![
        MetaInputValue::new(ASSUMED_SIZE, "Int"),
        MetaInputValue::new(SLICING_ARGUMENTS, "[String!]"),
        MetaInputValue::new(SIZED_FIELDS, "[String!]"),
        require_one,
    ];
    defined(LIST_SIZE, description, args)
}

fn defined(name: &str, description: String, args: Vec<MetaInputValue>) -> MetaDirective {
    MetaDirective {
        name: name.to_owned(),
        description: Some(description),
        locations: vec![__DirectiveLocation::FIELD_DEFINITION],
        args: args.into_iter().map(|argument| (argument.name.clone(), argument)).collect(),
        is_repeatable: false,
        visible: None,
        composable: None,
    }
}
