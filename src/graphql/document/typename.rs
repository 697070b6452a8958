//! Directives, arguments and selections at a `__typename`, which the library ignores: it accepts unknown
//! ones, and calls a variable unused that only such a directive uses.

use async_graphql::Positioned;
use async_graphql::parser::types::{ExecutableDocument, InlineFragment, Selection, SelectionSet};

use super::{Refusal, invalid_at};

/// Refuses arguments and selections of `__typename`, and moves its directives to a fragment around it,
/// where they mean the same and the library sees them.
pub(super) fn prepare(document: &mut ExecutableDocument) -> Result<(), Refusal> {
    use async_graphql::parser::types::DocumentOperations::{Multiple, Single};
    let operations = match &mut document.operations {
        Single(only) => vec![only],
        Multiple(operations) => operations.values_mut().collect(),
    };
    for operation in operations {
        in_set(&mut operation.node.selection_set.node)?;
    }
    for fragment in document.fragments.values_mut() {
        in_set(&mut fragment.node.selection_set.node)?;
    }
    Ok(())
}

fn in_set(set: &mut SelectionSet) -> Result<(), Refusal> {
    for selection in &mut set.items {
        match &mut selection.node {
            Selection::Field(field) if field.node.name.node == "__typename" => {
                if !field.node.arguments.is_empty()
                    || !field.node.selection_set.node.items.is_empty()
                {
                    let message = "__typename has neither arguments nor fields.";
                    return Err(invalid_at(message, vec![field.pos]));
                }
                let directives = std::mem::take(&mut field.node.directives);
                if !directives.is_empty() {
                    let pos = selection.pos;
                    let items = vec![Positioned::new(selection.node.clone(), pos)];
                    let selection_set = Positioned::new(SelectionSet { items }, pos);
                    let around = InlineFragment { type_condition: None, directives, selection_set };
                    selection.node = Selection::InlineFragment(Positioned::new(around, pos));
                }
            }
            Selection::Field(field) => in_set(&mut field.node.selection_set.node)?,
            Selection::InlineFragment(inline) => in_set(&mut inline.node.selection_set.node)?,
            Selection::FragmentSpread(_) => {}
        }
    }
    Ok(())
}
