//! What is selected from one object.

use std::collections::HashMap;

use async_graphql::parser::types::{Field, Selection, SelectionSet, TypeCondition};
use async_graphql::{Name, Positioned};

/// What is selected from one object, in the order in which it first appears.
#[derive(Default)]
pub(super) struct Collected<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    /// Where the fields are, by their keys in the response.
    fields: HashMap<&'a Name, usize>,
}

/// A part of that.
pub(super) enum Entry<'a> {
    Field(Vec<&'a Positioned<Field>>),
    /// What applies only if an interface or union turns out to be of this type.
    On(&'a Positioned<TypeCondition>, Vec<&'a SelectionSet>),
}

impl<'a> Collected<'a> {
    pub(super) fn add(&mut self, field: &'a Positioned<Field>) {
        let key = &field.node.response_key().node;
        if let Some(Entry::Field(fields)) = self.fields.get(key).map(|&at| &mut self.entries[at]) {
            fields.push(field);
        } else {
            self.fields.insert(key, self.entries.len());
            self.entries.push(Entry::Field(vec![field]));
        }
    }

    /// All that is selected under a condition, wherever it stands.
    pub(super) fn under(&self, of: &Name) -> Vec<&'a SelectionSet> {
        let sets = self.entries.iter().filter_map(|entry| match entry {
            Entry::On(condition, sets) if condition.node.on.node == *of => Some(sets),
            Entry::On(..) | Entry::Field(_) => None,
        });
        sets.flatten().copied().collect()
    }

    pub(super) fn has(&self, selection: &Selection) -> bool {
        match selection {
            Selection::Field(field) => self.fields.contains_key(&field.node.response_key().node),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => true,
        }
    }

    /// Two that stand beside each other are one. Any others stay apart, for the order of the keys; what they select
    /// together is selected where its key first stands.
    pub(super) fn add_on(
        &mut self,
        condition: &'a Positioned<TypeCondition>,
        set: &'a SelectionSet,
    ) {
        match self.entries.last_mut() {
            Some(Entry::On(last, sets)) if last.node.on.node == condition.node.on.node => {
                sets.push(set);
            }
            _ => self.entries.push(Entry::On(condition, vec![set])),
        }
    }
}
