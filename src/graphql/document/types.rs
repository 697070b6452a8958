//! The types of the schema, as far as the pre-scan needs them: which type a field has, what its
//! arguments take, and how large the answer to an introspection is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use async_graphql::Name;
use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{BaseType, OperationType, Type};
use async_graphql::registry::{MetaField, MetaInputValue, MetaType, Registry, ScalarValidatorFn};

use super::cost::directive::{self, ListSize};

/// The types of a schema, read once while it is built. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct SharedTypes(Arc<OnceLock<Types>>);

impl SharedTypes {
    /// Writes into the registry what its fields cost, and reads it.
    pub(crate) fn read(&self, registry: &mut Registry) {
        directive::write(registry);
        self.0.get_or_init(|| Types::read(registry));
    }

    /// The types, once the schema has been built.
    pub(super) fn get(&self) -> Option<&Types> {
        self.0.get()
    }
}

#[derive(Default)]
pub(super) struct Types {
    kinds: HashMap<String, TypeKind>,
    pub(super) directives: Vec<Vec<Type>>,
    query: String,
    mutation: Option<String>,
    subscription: Option<String>,
}

/// What a type consists of.
pub(super) enum TypeKind {
    /// With what says whether a value is one.
    Scalar(Option<ScalarValidatorFn>),
    Enum(HashSet<Name>),
    Input(BTreeMap<String, Argument>),
    Object(Composite),
    Abstract(Composite),
}

/// What has fields: an object, an interface, or a union, whose only one is `__typename`.
#[derive(Default)]
pub(super) struct Composite {
    pub(super) fields: HashMap<String, FieldOf>,
    /// The interfaces and unions that an object belongs to; the objects of an interface or union.
    pub(super) related: HashSet<String>,
}

pub(super) struct FieldOf {
    pub(super) ty: Type,
    pub(super) arguments: BTreeMap<String, Argument>,
    /// What resolving it costs for each object.
    pub(super) weight: u64,
    /// How many entries its list has, or those in its object.
    pub(super) size: Option<ListSize>,
}

/// An argument, or a field of an input object.
pub(super) struct Argument {
    pub(super) ty: Type,
    pub(super) has_default: bool,
}

impl Argument {
    pub(super) fn is_required(&self) -> bool {
        !self.ty.nullable && !self.has_default
    }
}

impl Types {
    fn read(registry: &Registry) -> Self {
        let mut kinds: HashMap<_, _> =
            registry.types.iter().map(|(name, of)| (name.clone(), TypeKind::read(of))).collect();
        let mut belongs: HashMap<String, HashSet<String>> = HashMap::new();
        for (name, kind) in &kinds {
            if let TypeKind::Abstract(composite) = kind {
                for object in &composite.related {
                    belongs.entry(object.clone()).or_default().insert(name.clone());
                }
            }
        }
        for (object, related) in belongs {
            if let Some(TypeKind::Object(composite)) = kinds.get_mut(&object) {
                composite.related = related;
            }
        }
        let arguments = |args: &IndexMap<String, MetaInputValue>| {
            args.values().filter_map(|value| Type::new(&value.ty)).collect()
        };
        Self {
            kinds,
            directives: registry.directives.values().map(|of| arguments(&of.args)).collect(),
            query: registry.query_type.clone(),
            mutation: registry.mutation_type.clone(),
            subscription: registry.subscription_type.clone(),
        }
    }

    pub(super) fn kind(&self, name: &str) -> Option<&TypeKind> {
        self.kinds.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// What values of a type consist of; `None` if it is not for values that clients send.
    pub(super) fn input(&self, ty: &Type) -> Option<&TypeKind> {
        self.kind(named(ty)).filter(|kind| {
            matches!(kind, TypeKind::Scalar(_) | TypeKind::Enum(_) | TypeKind::Input(_))
        })
    }

    /// An object, interface or union.
    pub(super) fn composite(&self, name: &str) -> Option<&Composite> {
        match self.kind(name)? {
            TypeKind::Object(composite) | TypeKind::Abstract(composite) => Some(composite),
            TypeKind::Scalar(_) | TypeKind::Enum(_) | TypeKind::Input(_) => None,
        }
    }

    pub(super) fn field(&self, of: &str, name: &str) -> Option<&FieldOf> {
        self.composite(of)?.fields.get(name)
    }

    pub(super) fn query(&self) -> &str {
        &self.query
    }

    /// The type that an operation selects from.
    pub(super) fn root(&self, of: OperationType) -> &str {
        match of {
            OperationType::Query => &self.query,
            OperationType::Mutation => self.mutation.as_deref().unwrap_or_default(),
            OperationType::Subscription => self.subscription.as_deref().unwrap_or_default(),
        }
    }

    /// Whether a fragment on `condition` always applies to what has the type `of`.
    pub(super) fn always_applies(&self, condition: &str, of: &str) -> bool {
        condition == of
            || matches!(self.kind(of), Some(TypeKind::Object(object)) if object.related.contains(condition))
    }

    pub(super) fn is_object(&self, name: &str) -> bool {
        matches!(self.kind(name), Some(TypeKind::Object(_)))
    }
}

impl TypeKind {
    fn read(of: &MetaType) -> Self {
        match of {
            MetaType::Scalar { is_valid, .. } => Self::Scalar(is_valid.clone()),
            MetaType::Enum { enum_values, .. } => {
                Self::Enum(enum_values.keys().map(Name::new).collect())
            }
            MetaType::InputObject { input_fields, .. } => Self::Input(arguments(input_fields)),
            MetaType::Object { fields, .. } => {
                Self::Object(Composite { fields: fields_of(fields), related: HashSet::new() })
            }
            MetaType::Interface { fields, possible_types, .. } => Self::Abstract(Composite {
                fields: fields_of(fields),
                related: possible_types.iter().cloned().collect(),
            }),
            MetaType::Union { possible_types, .. } => Self::Abstract(Composite {
                fields: HashMap::new(),
                related: possible_types.iter().cloned().collect(),
            }),
        }
    }
}

fn fields_of(fields: &IndexMap<String, MetaField>) -> HashMap<String, FieldOf> {
    let read = |field: &MetaField| {
        let ty = Type::new(&field.ty)?;
        let (weight, size) = directive::read(field);
        let arguments = arguments(&field.args);
        Some((field.name.clone(), FieldOf { ty, arguments, weight, size }))
    };
    fields.values().filter_map(read).collect()
}

fn arguments(values: &IndexMap<String, MetaInputValue>) -> BTreeMap<String, Argument> {
    let read = |value: &MetaInputValue| {
        let ty = Type::new(&value.ty)?;
        Some((value.name.clone(), Argument { ty, has_default: value.default_value.is_some() }))
    };
    values.values().filter_map(read).collect()
}

/// The type inside all lists.
pub(super) fn named(ty: &Type) -> &Name {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

pub(super) fn is_list(ty: &Type) -> bool {
    matches!(ty.base, BaseType::List(_))
}
