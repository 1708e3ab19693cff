//! What can be known to be wrong with a filter before there is a message: types that never fit.

use super::syntax::{Binary, Fault, Function, Kind, Node, Variable};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Null,
    Bool,
    Int,
    Double,
    Text,
    Attributes,
    List,
    /// Known with the message: what comes from JSON.
    Any,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Int | Self::Double => "a number",
            Self::Text => "a text",
            Self::Attributes => "a map",
            Self::List => "a list",
            Self::Any => "any value",
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Any)
    }

    fn is(self, other: Self) -> bool {
        self == other || self == Self::Any
    }

    fn is_container(self) -> bool {
        matches!(self, Self::Attributes | Self::List)
    }
}

/// A filter has to be true or false.
pub(super) fn condition(root: &Node) -> Result<(), Fault> {
    Checker { locals: Vec::new() }.expect(root, Type::Bool)
}

struct Checker {
    locals: Vec<Type>,
}

impl Checker {
    fn expect(&mut self, node: &Node, wanted: Type) -> Result<(), Fault> {
        let found = self.check(node)?;
        if found.is(wanted) {
            return Ok(());
        }
        Err(Fault::new(node.at, format!("{} is expected here, not {}", wanted.name(), found.name())))
    }

    fn check(&mut self, node: &Node) -> Result<Type, Fault> {
        let fault = |message: &str| Err(Fault::new(node.at, message));
        match &node.kind {
            Kind::Null => Ok(Type::Null),
            Kind::Bool(_) => Ok(Type::Bool),
            Kind::Int(_) => Ok(Type::Int),
            Kind::Double(_) => Ok(Type::Double),
            Kind::Text(_) => Ok(Type::Text),
            Kind::List(elements) => {
                elements.iter().try_for_each(|element| self.check(element).map(|_| ())).map(|()| Type::List)
            }
            Kind::Variable(variable) => Ok(match variable {
                Variable::Attributes => Type::Attributes,
                Variable::Priority => Type::Int,
                Variable::Json => Type::Any,
                _ => Type::Text,
            }),
            Kind::Local(level) => Ok(self.locals.get(*level).copied().unwrap_or(Type::Any)),
            Kind::Field(of, _) => self.map(of),
            Kind::Has(of, _) => self.map(of).map(|_| Type::Bool),
            Kind::Index(of, key) => self.index(of, key),
            Kind::Not(of) => self.expect(of, Type::Bool).map(|()| Type::Bool),
            Kind::Negate(of) => match self.check(of)? {
                found if found.is_number() => Ok(found),
                _ => fault("only a number can be negative"),
            },
            Kind::All(parts) | Kind::Any(parts) => {
                parts.iter().try_for_each(|part| self.expect(part, Type::Bool)).map(|()| Type::Bool)
            }
            Kind::Binary(operator, one, two) => self.binary(*operator, one, two, node.at),
            Kind::Choose(condition, yes, no) => {
                self.expect(condition, Type::Bool)?;
                let (yes, no) = (self.check(yes)?, self.check(no)?);
                Ok(if yes == no { yes } else { Type::Any })
            }
            Kind::Call(function, of) => self.call(*function, of),
            Kind::Method(_, of, with) => {
                self.expect(of, Type::Text)?;
                self.expect(with, Type::Text).map(|()| Type::Bool)
            }
            Kind::Matches(of, _) => self.expect(of, Type::Text).map(|()| Type::Bool),
            Kind::Each(_, of, body) => {
                let element = match self.check(of)? {
                    Type::Attributes => Type::Text,
                    Type::List | Type::Any => Type::Any,
                    _ => return fault("only lists and maps have elements"),
                };
                self.locals.push(element);
                let checked = self.expect(body, Type::Bool);
                self.locals.pop();
                checked.map(|()| Type::Bool)
            }
        }
    }

    fn map(&mut self, of: &Node) -> Result<Type, Fault> {
        match self.check(of)? {
            Type::Attributes => Ok(Type::Text),
            Type::Any => Ok(Type::Any),
            found => Err(Fault::new(of.at, format!("has no fields: it is {}", found.name()))),
        }
    }

    fn index(&mut self, of: &Node, key: &Node) -> Result<Type, Fault> {
        match self.check(of)? {
            Type::Attributes => self.expect(key, Type::Text).map(|()| Type::Text),
            Type::List => self.expect(key, Type::Int).map(|()| Type::Any),
            Type::Any => self.check(key).map(|_| Type::Any),
            found => Err(Fault::new(of.at, format!("has no elements: it is {}", found.name()))),
        }
    }

    fn call(&mut self, function: Function, of: &Node) -> Result<Type, Fault> {
        let found = self.check(of)?;
        let (takes, gives) = match function {
            Function::Size => (found.is(Type::Text) || found.is_container(), Type::Int),
            Function::Int => (found.is(Type::Text) || found.is_number(), Type::Int),
            Function::Double => (found.is(Type::Text) || found.is_number(), Type::Double),
            Function::String => (!found.is_container() && found != Type::Null, Type::Text),
        };
        if takes { Ok(gives) } else { Err(Fault::new(of.at, format!("the function does not take {}", found.name()))) }
    }

    fn binary(&mut self, operator: Binary, one: &Node, two: &Node, at: usize) -> Result<Type, Fault> {
        let (left, right) = (self.check(one)?, self.check(two)?);
        let fault = |what: &str| Err(Fault::new(at, format!("{} and {} {what}", left.name(), right.name())));
        let numbers = left.is_number() && right.is_number();
        let texts = left.is(Type::Text) && right.is(Type::Text);
        match operator {
            Binary::Equal | Binary::Unequal => {
                let known = left != Type::Any && right != Type::Any && left != Type::Null && right != Type::Null;
                let fits = left == right || numbers || !known;
                let containers = left.is_container() || right.is_container();
                if fits && !containers { Ok(Type::Bool) } else { fault("are never equal, or not compared") }
            }
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                if numbers || texts {
                    Ok(Type::Bool)
                } else {
                    fault("have no order")
                }
            }
            Binary::In => match right {
                Type::Attributes if left.is(Type::Text) => Ok(Type::Bool),
                Type::List | Type::Any => Ok(Type::Bool),
                _ => fault("do not go with `in`"),
            },
            Binary::Add if texts && left == right => Ok(left),
            Binary::Add if texts => Ok(Type::Any),
            _ if !numbers => fault("do not go together"),
            _ if left == right => Ok(left),
            _ => Ok(if left == Type::Any || right == Type::Any { Type::Any } else { Type::Double }),
        }
    }
}
