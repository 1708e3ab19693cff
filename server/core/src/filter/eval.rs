//! Evaluating a filter, with a bound on what it may cost.

use std::borrow::Cow;

use super::MessageView;
use super::json;
use super::syntax::{Binary, Function, Kind, Method, Node, Quantifier, Variable};
use super::value::{Undefined, Value, convert, from_json, operate};

/// What one evaluation may cost: about a byte looked at each.
const COST_MAX: u64 = 16 << 20;
/// What a part costs beyond the bytes that it looks at.
const NODE_COST: u64 = 16;
/// What a look at the attributes costs.
const ATTRIBUTES_COST: u64 = 64;
/// What a regular expression costs for each byte.
const REGEX_COST: u64 = 16;

type Result<T> = std::result::Result<T, Undefined>;

/// True if it can be evaluated, and is true.
pub(super) fn condition(root: &Node, message: &MessageView<'_>) -> bool {
    let mut run = Run { message, locals: Vec::new(), left: COST_MAX };
    matches!(run.value(root), Ok(Value::Bool(true)))
}

struct Run<'a> {
    message: &'a MessageView<'a>,
    locals: Vec<Value<'a>>,
    left: u64,
}

impl<'a> Run<'a> {
    fn pay(&mut self, cost: u64) -> Result<()> {
        self.left = self.left.checked_sub(cost).ok_or(Undefined)?;
        Ok(())
    }

    fn pay_for(&mut self, text: &str) -> Result<()> {
        self.pay(text.len() as u64)
    }

    fn value(&mut self, node: &'a Node) -> Result<Value<'a>> {
        self.pay(NODE_COST)?;
        match &node.kind {
            Kind::Null => Ok(Value::Null),
            Kind::Bool(truth) => Ok(Value::Bool(*truth)),
            Kind::Int(number) => Ok(Value::Int(*number)),
            Kind::Double(number) => Ok(Value::Double(*number)),
            Kind::Text(text) => Ok(Value::Text(Cow::Borrowed(text))),
            Kind::List(elements) => Ok(Value::List(elements)),
            Kind::Variable(variable) => self.variable(*variable),
            Kind::Local(level) => self.locals.get(*level).cloned().ok_or(Undefined),
            Kind::Field(of, name) => {
                let of = self.value(of)?;
                self.field(&of, name)?.ok_or(Undefined)
            }
            Kind::Has(of, name) => {
                let of = self.value(of)?;
                Ok(Value::Bool(self.field(&of, name)?.is_some()))
            }
            Kind::Index(of, key) => self.index(of, key),
            Kind::Not(of) => Ok(Value::Bool(!self.truth(of)?)),
            Kind::Negate(of) => match self.value(of)? {
                Value::Int(number) => number.checked_neg().map(Value::Int).ok_or(Undefined),
                Value::Double(number) => Ok(Value::Double(-number)),
                _ => Err(Undefined),
            },
            Kind::All(parts) => self.settled(parts, false),
            Kind::Any(parts) => self.settled(parts, true),
            Kind::Binary(operator, one, two) => self.binary(*operator, one, two),
            Kind::Choose(condition, yes, no) => {
                let chosen = if self.truth(condition)? { yes } else { no };
                self.value(chosen)
            }
            Kind::Call(function, of) => self.call(*function, of),
            Kind::Method(method, of, with) => self.method(*method, of, with),
            Kind::Matches(of, regex) => {
                let of = self.text(of)?;
                self.pay(of.len() as u64 * REGEX_COST)?;
                Ok(Value::Bool(regex.is_match(&of)))
            }
            Kind::Each(quantifier, of, body) => self.each(*quantifier, of, body),
        }
    }

    fn variable(&mut self, variable: Variable) -> Result<Value<'a>> {
        let message = self.message;
        let text = |text: &'a str| Ok(Value::Text(Cow::Borrowed(text)));
        match variable {
            Variable::Attributes => Ok(Value::Attributes),
            Variable::RoutingKey => text(message.routing_key),
            Variable::OrderingKey => text(message.ordering_key),
            Variable::ContentType => text(message.content_type),
            Variable::Priority => Ok(Value::Int(message.priority)),
            Variable::Json => self.message.json().map(from_json).ok_or(Undefined),
        }
    }

    fn truth(&mut self, node: &'a Node) -> Result<bool> {
        match self.value(node)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(Undefined),
        }
    }

    fn text(&mut self, node: &'a Node) -> Result<Cow<'a, str>> {
        match self.value(node)? {
            Value::Text(text) => Ok(text),
            _ => Err(Undefined),
        }
    }

    /// `||` where `decisive` is true, else `&&`: one decisive part settles it, whatever cannot be evaluated beside it.
    fn settled(&mut self, parts: &'a [Node], decisive: bool) -> Result<Value<'a>> {
        let mut undefined = false;
        for part in parts {
            match self.truth(part) {
                Ok(truth) if truth == decisive => return Ok(Value::Bool(decisive)),
                Ok(_) => {}
                Err(Undefined) => undefined = true,
            }
        }
        if undefined { Err(Undefined) } else { Ok(Value::Bool(!decisive)) }
    }

    /// A value by its key; none if there is no such key.
    fn field(&mut self, of: &Value<'a>, name: &str) -> Result<Option<Value<'a>>> {
        match of {
            Value::Attributes => {
                self.pay(ATTRIBUTES_COST)?;
                Ok(self.message.attribute(name).map(|value| Value::Text(Cow::Borrowed(value))))
            }
            Value::Object(object) => {
                self.pay_for(object)?;
                Ok(json::member(object, name).map(from_json))
            }
            _ => Err(Undefined),
        }
    }

    fn index(&mut self, of: &'a Node, key: &'a Node) -> Result<Value<'a>> {
        match (self.value(of)?, self.value(key)?) {
            (of @ (Value::Attributes | Value::Object(_)), Value::Text(key)) => self.field(&of, &key)?.ok_or(Undefined),
            (Value::Array(array), Value::Int(at)) => {
                self.pay_for(array)?;
                let at = usize::try_from(at).map_err(|_| Undefined)?;
                json::elements(array).nth(at).map(from_json).ok_or(Undefined)
            }
            (Value::List(elements), Value::Int(at)) => {
                let at = usize::try_from(at).map_err(|_| Undefined)?;
                self.value(elements.get(at).ok_or(Undefined)?)
            }
            _ => Err(Undefined),
        }
    }

    fn binary(&mut self, operator: Binary, one: &'a Node, two: &'a Node) -> Result<Value<'a>> {
        let (one, two) = (self.value(one)?, self.value(two)?);
        if let (Value::Text(one), Value::Text(two)) = (&one, &two) {
            let cost = if operator == Binary::Add { one.len() + two.len() } else { one.len().min(two.len()) };
            self.pay(cost as u64)?;
        }
        match operator {
            Binary::Equal => one.equals(&two).map(Value::Bool),
            Binary::Unequal => one.equals(&two).map(|same| Value::Bool(!same)),
            Binary::In => self.is_in(&one, &two).map(Value::Bool),
            _ => operate(operator, &one, &two),
        }
    }

    fn is_in(&mut self, one: &Value<'a>, of: &Value<'a>) -> Result<bool> {
        match (of, one) {
            (Value::Attributes | Value::Object(_), Value::Text(key)) => Ok(self.field(of, key)?.is_some()),
            (Value::Array(array), _) => {
                self.pay_for(array)?;
                self.any(json::elements(array), |run, element| {
                    run.pay(NODE_COST)?;
                    from_json(element).equals(one)
                })
            }
            (Value::List(elements), _) => self.any(elements.iter(), |run, element| run.value(element)?.equals(one)),
            _ => Err(Undefined),
        }
    }

    /// True if it holds for one of them, whatever cannot be evaluated beside it.
    fn any<T>(
        &mut self,
        elements: impl Iterator<Item = T>,
        mut holds: impl FnMut(&mut Self, T) -> Result<bool>,
    ) -> Result<bool> {
        let mut undefined = false;
        for element in elements {
            match holds(self, element) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(Undefined) if self.left < NODE_COST => return Err(Undefined),
                Err(Undefined) => undefined = true,
            }
        }
        if undefined { Err(Undefined) } else { Ok(false) }
    }

    fn call(&mut self, function: Function, of: &'a Node) -> Result<Value<'a>> {
        let of = self.value(of)?;
        if function != Function::Size {
            return convert(function, of);
        }
        let count = match of {
            Value::Text(text) => {
                self.pay_for(&text)?;
                text.chars().count()
            }
            Value::Attributes => {
                self.pay(ATTRIBUTES_COST)?;
                self.message.attributes().count()
            }
            Value::Object(object) => {
                self.pay_for(object)?;
                json::members(object).count()
            }
            Value::Array(array) => {
                self.pay_for(array)?;
                json::elements(array).count()
            }
            Value::List(elements) => elements.len(),
            _ => return Err(Undefined),
        };
        Ok(Value::Int(count as i64))
    }

    fn method(&mut self, method: Method, of: &'a Node, with: &'a Node) -> Result<Value<'a>> {
        let (of, with) = (self.text(of)?, self.text(with)?);
        self.pay_for(&of)?;
        Ok(Value::Bool(match method {
            Method::StartsWith => of.starts_with(with.as_ref()),
            Method::EndsWith => of.ends_with(with.as_ref()),
            Method::Contains => of.contains(with.as_ref()),
        }))
    }

    /// Of maps each key, of lists each element.
    fn each(&mut self, quantifier: Quantifier, of: &'a Node, body: &'a Node) -> Result<Value<'a>> {
        let decisive = quantifier == Quantifier::Exists;
        let message = self.message;
        let meets = |run: &mut Self, element: Value<'a>| {
            run.locals.push(element);
            let truth = run.truth(body);
            run.locals.pop();
            truth.map(|truth| truth == decisive)
        };
        let found = match self.value(of)? {
            Value::Attributes => {
                self.any(message.attributes(), |run, (key, _)| meets(run, Value::Text(Cow::Borrowed(key))))
            }
            Value::Object(object) => {
                self.pay_for(object)?;
                self.any(json::members(object), |run, (name, _)| meets(run, Value::Text(json::text(name))))
            }
            Value::Array(array) => {
                self.pay_for(array)?;
                self.any(json::elements(array), |run, element| meets(run, from_json(element)))
            }
            Value::List(elements) => self.any(elements.iter(), |run, element| {
                let element = run.value(element)?;
                meets(run, element)
            }),
            _ => Err(Undefined),
        }?;
        Ok(Value::Bool(found == decisive))
    }
}
