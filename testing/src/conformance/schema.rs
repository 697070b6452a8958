//! What the exported schema says of types, and what the specification says of its own.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_graphql::parser::types::{BaseType, OperationType, Type, TypeKind, TypeSystemDefinition};

/// The types of introspection, which no SDL lists.
const INTROSPECTION: &str = "
type __Schema {
  description: String types: [__Type!]! queryType: __Type! mutationType: __Type
  subscriptionType: __Type directives: [__Directive!]!
}
type __Type {
  kind: __TypeKind! name: String description: String specifiedByURL: String
  fields: [__Field!] interfaces: [__Type!] possibleTypes: [__Type!] enumValues: [__EnumValue!]
  inputFields: [__InputValue!] ofType: __Type isOneOf: Boolean
}
type __Field {
  name: String! description: String args: [__InputValue!]! type: __Type! isDeprecated: Boolean!
  deprecationReason: String
}
type __InputValue {
  name: String! description: String type: __Type! defaultValue: String isDeprecated: Boolean!
  deprecationReason: String
}
type __EnumValue {
  name: String! description: String isDeprecated: Boolean! deprecationReason: String
}
type __Directive {
  name: String! description: String locations: [__DirectiveLocation!]! args: [__InputValue!]!
  isRepeatable: Boolean!
}
enum __TypeKind { SCALAR OBJECT INTERFACE UNION ENUM INPUT_OBJECT LIST NON_NULL }
enum __DirectiveLocation {
  QUERY MUTATION SUBSCRIPTION FIELD FRAGMENT_DEFINITION FRAGMENT_SPREAD INLINE_FRAGMENT
  VARIABLE_DEFINITION SCHEMA SCALAR OBJECT FIELD_DEFINITION ARGUMENT_DEFINITION INTERFACE UNION
  ENUM ENUM_VALUE INPUT_OBJECT INPUT_FIELD_DEFINITION
}
scalar Int scalar Float scalar String scalar Boolean scalar ID
";

/// The types of a schema, by their names.
pub struct Schema {
    types: BTreeMap<String, NamedType>,
    /// The arguments of the fields of every type.
    arguments: BTreeMap<(String, String), Vec<(String, Type)>>,
}

/// What a type is.
pub enum NamedType {
    /// A leaf.
    Scalar,
    /// Its values.
    Enum(Vec<String>),
    /// Its fields and its interfaces.
    Object {
        /// By their names.
        fields: BTreeMap<String, Type>,
        /// The interfaces.
        implements: Vec<String>,
    },
    /// Its fields.
    Interface {
        /// By their names.
        fields: BTreeMap<String, Type>,
    },
    /// Its members.
    Union {
        /// The objects.
        members: Vec<String>,
    },
    /// An input object.
    Input,
}

impl Schema {
    /// The schema that an SDL describes, read once a process. The few that there are stay.
    pub fn cached(sdl: &str) -> &'static Self {
        static READ: Mutex<BTreeMap<String, &'static Schema>> = Mutex::new(BTreeMap::new());
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = read.get(sdl) {
            return schema;
        }
        let schema: &Self = Box::leak(Box::new(Self::of(sdl)));
        read.insert(sdl.to_owned(), schema);
        schema
    }

    /// The schema that an SDL describes.
    pub fn of(sdl: &str) -> Self {
        let mut schema = Self { types: BTreeMap::new(), arguments: BTreeMap::new() };
        for text in [sdl, INTROSPECTION] {
            for definition in portcullis::schema::parse_sdl(text).unwrap().definitions {
                if let TypeSystemDefinition::Type(definition) = definition {
                    schema.add(definition.node.name.node.to_string(), definition.node.kind);
                }
            }
        }
        let mut query = |name: &str, ty: &str, arguments: Vec<(String, Type)>| {
            if let Some(NamedType::Object { fields, .. }) = schema.types.get_mut("Query") {
                fields.insert(name.to_owned(), Type::new(ty).unwrap());
            }
            schema.arguments.insert(("Query".to_owned(), name.to_owned()), arguments);
        };
        query("__schema", "__Schema!", Vec::new());
        query("__type", "__Type", vec![("name".to_owned(), Type::new("String!").unwrap())]);
        schema
    }

    fn add(&mut self, name: String, kind: TypeKind) {
        let mut all = |fields: Vec<async_graphql::Positioned<_>>| -> BTreeMap<String, Type> {
            let mut types = BTreeMap::new();
            for field in fields {
                let field: async_graphql::parser::types::FieldDefinition = field.node;
                let arguments = field.arguments.into_iter();
                let arguments =
                    arguments.map(|it| (it.node.name.node.to_string(), it.node.ty.node)).collect();
                let of = (name.clone(), field.name.node.to_string());
                self.arguments.insert(of, arguments);
                types.insert(field.name.node.to_string(), field.ty.node);
            }
            types
        };
        let kind = match kind {
            TypeKind::Scalar => NamedType::Scalar,
            TypeKind::Enum(it) => NamedType::Enum(
                it.values.iter().map(|value| value.node.value.to_string()).collect(),
            ),
            TypeKind::Object(it) => NamedType::Object {
                fields: all(it.fields),
                implements: it.implements.iter().map(ToString::to_string).collect(),
            },
            TypeKind::Interface(it) => NamedType::Interface { fields: all(it.fields) },
            TypeKind::Union(it) => {
                NamedType::Union { members: it.members.iter().map(ToString::to_string).collect() }
            }
            TypeKind::InputObject(_) => NamedType::Input,
        };
        self.types.insert(name, kind);
    }

    /// What a type is.
    pub fn kind(&self, name: &str) -> Option<&NamedType> {
        self.types.get(name)
    }

    /// The names of all types that a fragment can be about.
    pub fn composites(&self) -> impl Iterator<Item = &str> {
        let is_composite = |kind: &NamedType| {
            !matches!(kind, NamedType::Scalar | NamedType::Enum(_) | NamedType::Input)
        };
        self.types.iter().filter(move |(_, kind)| is_composite(kind)).map(|(name, _)| name.as_str())
    }

    /// The type of an operation.
    pub fn root(operation: OperationType) -> &'static str {
        match operation {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        }
    }

    /// The fields of an object or an interface.
    pub fn fields(&self, of: &str) -> Option<&BTreeMap<String, Type>> {
        match self.kind(of)? {
            NamedType::Object { fields, .. } | NamedType::Interface { fields } => Some(fields),
            NamedType::Scalar | NamedType::Enum(_) | NamedType::Union { .. } | NamedType::Input => {
                None
            }
        }
    }

    /// The arguments of a field.
    pub fn arguments(&self, of: &str, field: &str) -> &[(String, Type)] {
        self.arguments.get(&(of.to_owned(), field.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// The type of a field.
    pub fn field(&self, of: &str, name: &str) -> Option<Type> {
        if name == "__typename" {
            return Type::new("String!");
        }
        self.fields(of)?.get(name).cloned()
    }

    /// The objects that a value of this type can be.
    pub fn possible(&self, name: &str) -> Vec<&str> {
        match self.types.get_key_value(name) {
            Some((name, NamedType::Object { .. })) => vec![name.as_str()],
            Some((_, NamedType::Union { members })) => members.iter().map(String::as_str).collect(),
            Some((_, NamedType::Interface { .. })) => self.implementing(name),
            Some((_, NamedType::Scalar | NamedType::Enum(_) | NamedType::Input)) | None => {
                Vec::new()
            }
        }
    }

    fn implementing(&self, interface: &str) -> Vec<&str> {
        let does = |kind: &NamedType| match kind {
            NamedType::Object { implements, .. } => implements.iter().any(|name| name == interface),
            _ => false,
        };
        self.types.iter().filter(|(_, kind)| does(kind)).map(|(name, _)| name.as_str()).collect()
    }

    /// `doesFragmentTypeApply`.
    pub fn applies(&self, condition: &str, object: &str) -> bool {
        self.possible(condition).contains(&object)
    }
}

/// The name inside all lists.
pub fn innermost(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(of) => innermost(of),
    }
}
