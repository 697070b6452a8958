//! Parses an executable document by the grammar of the specification (September 2025), section 2.
//!
//! The library's parser differs from it where clients notice: it gives block strings another value,
//! and refuses descriptions, `\u{1F600}`, enum values such as `trueish`, and a directive behind a
//! default value. It also takes some ten times as long. Each function here is one rule of the
//! grammar. They recurse only inside brackets, and the lexer limits how deep those nest.

use std::collections::HashMap;
use std::mem;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{
    BaseType, Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition,
    FragmentSpread, InlineFragment, OperationDefinition, OperationType, Selection, SelectionSet,
    Type, TypeCondition, VariableDefinition,
};
use async_graphql::{Name, Pos, Positioned, Value as Constant};
use async_graphql_value::Value;

use super::lexer::{Lexer, Token, syntax_error};
use super::{CHARACTERS_MAX, Refusal, at_most, invalid, invalid_at};

const CONSTANT: &str = "a value without variables";

type Result<T> = std::result::Result<T, Refusal>;
type Arguments = Vec<(Positioned<Name>, Positioned<Value>)>;

/// Parses `source`. Operations, fragments and fields of an input object have distinct names in what
/// it returns: the library keeps them in maps, so its validation cannot see that a name is repeated.
pub(super) fn parse(source: &str) -> Result<ExecutableDocument> {
    at_most("characters", source.chars().count() as u64, CHARACTERS_MAX as u64)?;
    let mut lexer = Lexer::new(source);
    let Positioned { pos, node: token } = lexer.token()?;
    Parser { lexer, token, pos, is_constant: false, invalid: None }.document()
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token that comes next, and where it stands.
    token: Token<'a>,
    pos: Pos,
    /// Whether a variable is refused as a value.
    is_constant: bool,
    /// The first repeated name. It is reported only if the rest of the document parses.
    invalid: Option<Refusal>,
}

#[derive(Default)]
struct Definitions {
    anonymous: Option<Positioned<OperationDefinition>>,
    operations: HashMap<Name, Positioned<OperationDefinition>>,
    fragments: HashMap<Name, Positioned<FragmentDefinition>>,
}

impl Parser<'_> {
    fn document(mut self) -> Result<ExecutableDocument> {
        let mut definitions = Definitions::default();
        self.definition(&mut definitions)?;
        while self.token != Token::End {
            self.definition(&mut definitions)?;
        }
        let Definitions { anonymous, operations, fragments } = definitions;
        if let Some(refusal) = self.invalid {
            return Err(refusal);
        }
        let operations = match anonymous {
            Some(only) if operations.is_empty() => DocumentOperations::Single(only),
            Some(anonymous) => return Err(anonymous_beside_others(anonymous.pos)),
            None if operations.is_empty() => return Err(invalid("The document has no operation.")),
            None => DocumentOperations::Multiple(operations),
        };
        Ok(ExecutableDocument { operations, fragments })
    }

    fn definition(&mut self, definitions: &mut Definitions) -> Result<()> {
        let is_described = matches!(self.token, Token::String(_));
        if is_described {
            self.advance()?;
        }
        let pos = self.pos;
        let ty = match self.token {
            Token::Punctuator('{') if !is_described => None,
            Token::Name("query") => Some(OperationType::Query),
            Token::Name("mutation") => Some(OperationType::Mutation),
            Token::Name("subscription") => Some(OperationType::Subscription),
            Token::Name("fragment") => {
                let (name, fragment) = self.fragment_definition()?;
                let fragment = Positioned::new(fragment, pos);
                let known = definitions.fragments.insert(name.node.clone(), fragment);
                self.check_new("fragments", &name, known.is_none());
                return Ok(());
            }
            _ if is_described => {
                return Err(self.expected("query, mutation, subscription or fragment"));
            }
            _ => return Err(self.expected("an operation or a fragment")),
        };
        let (name, operation) = self.operation_definition(ty)?;
        let operation = Positioned::new(operation, pos);
        if let Some(name) = name {
            let known = definitions.operations.insert(name.node.clone(), operation);
            self.check_new("operations", &name, known.is_none());
        } else if definitions.anonymous.replace(operation).is_some() {
            self.invalid.get_or_insert_with(|| anonymous_beside_others(pos));
        }
        Ok(())
    }

    /// Without a type it is only a selection set.
    fn operation_definition(
        &mut self,
        ty: Option<OperationType>,
    ) -> Result<(Option<Positioned<Name>>, OperationDefinition)> {
        let (mut name, mut variable_definitions, mut directives) = (None, Vec::new(), Vec::new());
        if ty.is_some() {
            self.advance()?;
            if matches!(self.token, Token::Name(_)) {
                name = Some(self.name("a name")?);
            }
            if self.token == Token::Punctuator('(') {
                variable_definitions = self.many('(', ')', Self::variable_definition)?;
            }
            directives = self.directives()?;
        }
        let selection_set = self.selection_set()?;
        let ty = ty.unwrap_or(OperationType::Query);
        Ok((name, OperationDefinition { ty, variable_definitions, directives, selection_set }))
    }

    fn fragment_definition(&mut self) -> Result<(Positioned<Name>, FragmentDefinition)> {
        self.advance()?;
        if self.token == Token::Name("on") {
            return Err(self.expected("the name of a fragment"));
        }
        let name = self.name("the name of a fragment")?;
        if self.token != Token::Name("on") {
            return Err(self.expected("\"on\""));
        }
        let type_condition = self.type_condition()?;
        let directives = self.directives()?;
        let selection_set = self.selection_set()?;
        Ok((name, FragmentDefinition { type_condition, directives, selection_set }))
    }

    /// The next token is `on`.
    fn type_condition(&mut self) -> Result<Positioned<TypeCondition>> {
        let pos = self.pos;
        self.advance()?;
        Ok(Positioned::new(TypeCondition { on: self.name("the name of a type")? }, pos))
    }

    fn variable_definition(&mut self) -> Result<Positioned<VariableDefinition>> {
        if matches!(self.token, Token::String(_)) {
            self.advance()?;
        }
        let pos = self.pos;
        let name = self.variable()?;
        self.expect(':')?;
        let type_pos = self.pos;
        let var_type = Positioned::new(self.variable_type()?, type_pos);
        self.is_constant = true;
        let default_value = match self.skip('=')? {
            true => Some(self.constant()?),
            false => None,
        };
        let directives = self.directives()?;
        self.is_constant = false;
        Ok(Positioned::new(VariableDefinition { name, var_type, directives, default_value }, pos))
    }

    fn variable(&mut self) -> Result<Positioned<Name>> {
        self.expect('$')?;
        self.name("the name of a variable")
    }

    fn variable_type(&mut self) -> Result<Type> {
        let base = if self.skip('[')? {
            let item = self.variable_type()?;
            self.expect(']')?;
            BaseType::List(Box::new(item))
        } else {
            BaseType::Named(self.name("a type")?.node)
        };
        Ok(Type { base, nullable: !self.skip('!')? })
    }

    fn selection_set(&mut self) -> Result<Positioned<SelectionSet>> {
        let pos = self.pos;
        let items = self.many('{', '}', Self::selection)?;
        Ok(Positioned::new(SelectionSet { items }, pos))
    }

    fn selection(&mut self) -> Result<Positioned<Selection>> {
        let pos = self.pos;
        let selection = match self.token {
            Token::Spread => self.spread(pos)?,
            Token::Name(_) => Selection::Field(Positioned::new(self.field()?, pos)),
            _ => return Err(self.expected("a field or a fragment")),
        };
        Ok(Positioned::new(selection, pos))
    }

    fn field(&mut self) -> Result<Field> {
        let first = self.name("a field")?;
        let (alias, name) = match self.skip(':')? {
            true => (Some(first), self.name("a field")?),
            false => (None, first),
        };
        let arguments = self.arguments()?;
        let directives = self.directives()?;
        let selection_set = match self.token {
            Token::Punctuator('{') => self.selection_set()?,
            _ => Positioned::default(),
        };
        Ok(Field { alias, name, arguments, directives, selection_set })
    }

    fn spread(&mut self, pos: Pos) -> Result<Selection> {
        self.advance()?;
        let type_condition = match self.token {
            Token::Name("on") => Some(self.type_condition()?),
            Token::Name(_) => {
                let fragment_name = self.name("the name of a fragment")?;
                let directives = self.directives()?;
                let spread = FragmentSpread { fragment_name, directives };
                return Ok(Selection::FragmentSpread(Positioned::new(spread, pos)));
            }
            _ => None,
        };
        let directives = self.directives()?;
        let selection_set = self.selection_set()?;
        let inline = InlineFragment { type_condition, directives, selection_set };
        Ok(Selection::InlineFragment(Positioned::new(inline, pos)))
    }

    fn arguments(&mut self) -> Result<Arguments> {
        if self.token != Token::Punctuator('(') {
            return Ok(Vec::new());
        }
        self.many('(', ')', |parser| {
            let name = parser.name("an argument")?;
            parser.expect(':')?;
            Ok((name, parser.value()?))
        })
    }

    fn directives(&mut self) -> Result<Vec<Positioned<Directive>>> {
        let mut directives = Vec::new();
        while self.token == Token::Punctuator('@') {
            let pos = self.pos;
            self.advance()?;
            let name = self.name("the name of a directive")?;
            let arguments = self.arguments()?;
            directives.push(Positioned::new(Directive { name, arguments }, pos));
        }
        Ok(directives)
    }

    fn value(&mut self) -> Result<Positioned<Value>> {
        let pos = self.pos;
        let value = match &mut self.token {
            Token::Punctuator('$') if self.is_constant => {
                return Err(self.expected(CONSTANT));
            }
            Token::Punctuator('$') => {
                return Ok(Positioned::new(Value::Variable(self.variable()?.node), pos));
            }
            Token::Punctuator('[') => return Ok(Positioned::new(self.list()?, pos)),
            Token::Punctuator('{') => return Ok(Positioned::new(self.object()?, pos)),
            Token::Number(number) => Value::Number(number.clone()),
            Token::String(text) => Value::String(mem::take(text)),
            Token::Name("true") => Value::Boolean(true),
            Token::Name("false") => Value::Boolean(false),
            Token::Name("null") => Value::Null,
            Token::Name(name) => Value::Enum(Name::new(name)),
            Token::Punctuator(_) | Token::Spread | Token::End => {
                return Err(self.expected("a value"));
            }
        };
        self.advance()?;
        Ok(Positioned::new(value, pos))
    }

    fn constant(&mut self) -> Result<Positioned<Constant>> {
        let Positioned { pos, node } = self.value()?;
        let constant = node.into_const().ok_or_else(|| self.expected(CONSTANT))?;
        Ok(Positioned::new(constant, pos))
    }

    fn list(&mut self) -> Result<Value> {
        self.expect('[')?;
        let mut items = Vec::new();
        while !self.skip(']')? {
            items.push(self.value()?.node);
        }
        Ok(Value::List(items))
    }

    fn object(&mut self) -> Result<Value> {
        self.expect('{')?;
        let mut fields = IndexMap::new();
        while !self.skip('}')? {
            let name = self.name("a field of the object")?;
            self.expect(':')?;
            let known = fields.insert(name.node.clone(), self.value()?.node);
            self.check_new("fields of one object", &name, known.is_none());
        }
        Ok(Value::Object(fields))
    }

    /// One or more items between brackets.
    fn many<T>(
        &mut self,
        open: char,
        close: char,
        item: impl Fn(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.expect(open)?;
        let mut items = Vec::new();
        while items.is_empty() || !self.skip(close)? {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn name(&mut self, expected: &str) -> Result<Positioned<Name>> {
        let Token::Name(name) = self.token else { return Err(self.expected(expected)) };
        let name = Positioned::new(Name::new(name), self.pos);
        self.advance()?;
        Ok(name)
    }

    fn expect(&mut self, punctuator: char) -> Result<()> {
        match self.skip(punctuator)? {
            true => Ok(()),
            false => Err(self.expected(&Token::Punctuator(punctuator).to_string())),
        }
    }

    /// Skips `punctuator` if it comes next, and returns whether it did.
    fn skip(&mut self, punctuator: char) -> Result<bool> {
        let is_there = self.token == Token::Punctuator(punctuator);
        if is_there {
            self.advance()?;
        }
        Ok(is_there)
    }

    fn advance(&mut self) -> Result<()> {
        let Positioned { pos, node } = self.lexer.token()?;
        (self.pos, self.token) = (pos, node);
        Ok(())
    }

    fn check_new(&mut self, plural: &str, name: &Positioned<Name>, is_new: bool) {
        if !is_new {
            let message =
                || format!("The document has two {plural} with the name \"{}\".", name.node);
            self.invalid.get_or_insert_with(|| invalid_at(message(), vec![name.pos]));
        }
    }

    fn expected(&self, what: &str) -> Refusal {
        syntax_error(format_args!("expected {what}, found {}", self.token), self.pos)
    }
}

fn anonymous_beside_others(pos: Pos) -> Refusal {
    let message = "An operation without a name must be the only operation of its document.";
    invalid_at(message, vec![pos])
}

#[cfg(test)]
mod tests;
