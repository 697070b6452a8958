//! What an introspection costs: the schema is known, so its answer is walked through
//! and counted, instead of being guessed from the sizes of its largest lists.

use async_graphql::parser::types::{BaseType, Field, OperationType, Selection, SelectionSet, Type};

use super::types::{Argument, FieldOf, TypeKind, Types};
use super::{COST_MAX, Refusal, at_most};

/// What a field costs: the library resolves these more slowly than others.
const EACH: u64 = 2;

pub(super) struct Introspection<'a> {
    types: &'a Types,
    amount: u64,
}

/// An object of the introspection schema.
#[derive(Clone, Copy)]
enum Node<'a> {
    Schema,
    /// A type by its name, as it stands in the list of all.
    Named(&'a str),
    /// A type as a field or an argument has it, and whether it is nullable.
    Of(&'a BaseType, bool),
    Field(&'a FieldOf),
    Input(&'a Type),
    EnumValue,
    Directive(&'a [Type]),
}

impl<'a> Introspection<'a> {
    /// Counts on from `spent`.
    pub(super) fn new(types: &'a Types, spent: u64) -> Self {
        Self { types, amount: spent }
    }

    /// Counts what is selected from `__schema`, and returns the sum.
    pub(super) fn schema(mut self, set: &SelectionSet) -> Result<u64, Refusal> {
        self.set(set, Node::Schema)?;
        Ok(self.amount)
    }

    /// The same of `__type`.
    pub(super) fn of_type(mut self, name: &'a str, set: &SelectionSet) -> Result<u64, Refusal> {
        self.set(set, Node::Named(name))?;
        Ok(self.amount)
    }

    fn set(&mut self, set: &SelectionSet, of: Node<'a>) -> Result<(), Refusal> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, of)?,
                Selection::InlineFragment(inline) => {
                    self.set(&inline.node.selection_set.node, of)?;
                }
                Selection::FragmentSpread(_) => {}
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, of: Node<'a>) -> Result<(), Refusal> {
        self.amount += EACH;
        at_most("cost", self.amount, COST_MAX)?;
        let set = &field.selection_set.node;
        if set.items.is_empty() {
            return Ok(());
        }
        let types = self.types;
        match (of, field.name.node.as_str()) {
            (Node::Schema, "types") => {
                types.names().try_for_each(|name| self.set(set, Node::Named(name)))
            }
            (Node::Schema, "directives") => {
                types.directives.iter().try_for_each(|of| self.set(set, Node::Directive(of)))
            }
            (Node::Schema, "queryType") => self.set(set, Node::Named(types.query())),
            (Node::Schema, "mutationType") => {
                self.set(set, Node::Named(types.root(OperationType::Mutation)))
            }
            (Node::Field(of), "args") => self.arguments(set, of.arguments.values()),
            (Node::Directive(of), "args") => {
                of.iter().try_for_each(|of| self.set(set, Node::Input(of)))
            }
            (Node::Field(FieldOf { ty, .. }) | Node::Input(ty), "type") => {
                self.set(set, Node::Of(&ty.base, ty.nullable))
            }
            (Node::Of(base, false), "ofType") => self.set(set, Node::Of(base, true)),
            (Node::Of(BaseType::List(inner), true), "ofType") => {
                self.set(set, Node::Of(&inner.base, inner.nullable))
            }
            (Node::Of(BaseType::Named(of), true), name) => self.of_named(of, name, set),
            (Node::Named(of), name) => self.of_named(of, name, set),
            _ => Ok(()),
        }
    }

    fn of_named(&mut self, of: &'a str, name: &str, set: &SelectionSet) -> Result<(), Refusal> {
        let types = self.types;
        match (types.kind(of), name) {
            (Some(TypeKind::Object(of) | TypeKind::Abstract(of)), "fields") => {
                of.fields.values().try_for_each(|field| self.set(set, Node::Field(field)))
            }
            (Some(TypeKind::Object(of)), "interfaces")
            | (Some(TypeKind::Abstract(of)), "possibleTypes") => {
                of.related.iter().try_for_each(|name| self.set(set, Node::Named(name)))
            }
            (Some(TypeKind::Enum(values)), "enumValues") => {
                values.iter().try_for_each(|_| self.set(set, Node::EnumValue))
            }
            (Some(TypeKind::Input(fields)), "inputFields") => self.arguments(set, fields.values()),
            _ => Ok(()),
        }
    }

    fn arguments(
        &mut self,
        set: &SelectionSet,
        arguments: impl Iterator<Item = &'a Argument>,
    ) -> Result<(), Refusal> {
        arguments.into_iter().try_for_each(|argument| self.set(set, Node::Input(&argument.ty)))
    }
}
